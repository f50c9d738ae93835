//! What goes wrong during a soak. Nothing that ends the processes whose memory is watched.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::Name;
use rustix::process::Signal;

use super::{OTHER_RELAY, RELAY};
use crate::environment::Environment;

/// How often something goes wrong.
const EVERY: Duration = Duration::from_secs(30);

/// How long a process stands still: the broker gives up on one after 10 s, and other relays after 4.
const FROZEN: Duration = Duration::from_secs(12);

/// Makes things go wrong, one after the other.
pub(super) struct Faults {
    next: Instant,
    frozen: Option<(Name, Instant)>,
    /// How many there were.
    pub(super) count: usize,
}

impl Faults {
    /// The first comes after the usual time.
    pub(super) fn start() -> Self {
        Self { next: Instant::now() + EVERY, frozen: None, count: 0 }
    }

    /// Does what is due now.
    pub(super) async fn tick(&mut self, environment: &mut Environment) -> Result<()> {
        if let Some((name, _)) = self.frozen.take_if(|(_, until)| *until <= Instant::now()) {
            environment.signal(name, Signal::CONT)?;
        }
        if self.next > Instant::now() {
            return Ok(());
        }
        match self.count % 4 {
            0 => {
                environment.kill(OTHER_RELAY)?;
                environment.start(OTHER_RELAY).await?;
            }
            1 => {
                let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                            where backend_type = 'client backend' and usename <> 'postgres'";
                sqlx::query(cut).execute(&environment.catalog).await?;
            }
            2 => self.freeze(environment, Name::BASKET)?,
            _ => self.freeze(environment, RELAY)?,
        }
        self.count += 1;
        self.next = Instant::now() + EVERY;
        Ok(())
    }

    fn freeze(&mut self, environment: &Environment, name: Name) -> Result<()> {
        environment.signal(name, Signal::STOP)?;
        self.frozen = Some((name, Instant::now() + FROZEN));
        Ok(())
    }

    /// Has everything go on again.
    pub(super) fn end(self, environment: &Environment) -> Result<usize> {
        if let Some((name, _)) = self.frozen {
            environment.signal(name, Signal::CONT)?;
        }
        Ok(self.count)
    }
}
