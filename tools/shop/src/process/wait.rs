//! Waiting for something to become true.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::terminal::{self, Interrupt};

/// Asks again and again until there is an answer.
///
/// Fails if `ask` fails, if the user asks to stop, and after `patience`, saying that `what` took too long.
pub fn wait_until<T>(
    what: &str,
    patience: Duration,
    interrupt: &Interrupt,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        interrupt.check()?;
        if Instant::now() >= deadline {
            bail!("{what} took longer than {} s", patience.as_secs());
        }
        terminal::pause();
    }
}
