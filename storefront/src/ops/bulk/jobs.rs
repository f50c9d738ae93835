//! Orders that are being carried out. They are in memory only: a restart of this service stops one between two calls.

use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::order::{Order, Step};
use crate::clients::ClientError;
use crate::ops::api::OpsApi;
use crate::session::User;

/// How often a call is tried while the service does not answer.
const TRIES: u32 = 5;

/// The pause after the first try; it doubles after each try.
const PAUSE: Duration = Duration::from_millis(500);

/// An order, and how far it is.
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) order: Order,
    reason: String,
    /// How many there were, and perhaps no more than these: what fails again is not done again.
    pub(crate) total: u64,
    state: watch::Sender<State>,
}

/// How far a job is.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) done: u64,
    /// `None` while it is running.
    pub(crate) outcome: Option<Outcome>,
}

/// How a job ended.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete,
    /// Why it stopped before its end.
    Stopped(String),
}

impl Job {
    pub(crate) fn new(id: Uuid, order: Order, reason: &str, found: Step) -> Self {
        let (reason, total) = (reason.trim().to_owned(), found.at_most);
        Self { id, order, reason, total, state: watch::Sender::default() }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state.borrow().outcome.is_none()
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Receives every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Carries the order out, call by call.
    pub(crate) async fn run(&self, api: &OpsApi, user: &User) {
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.order.carry_out(api, user, &self.reason).await {
                Ok(step) => {
                    tries = 0;
                    self.state.send_modify(|state| state.done += step.done);
                    if !step.more || self.state.borrow().done >= self.total {
                        break Outcome::Complete;
                    }
                    if step.done == 0 {
                        break Outcome::Stopped(
                            "there is more than can be looked through at once".to_owned(),
                        );
                    }
                }
                Err(error @ ClientError::Unavailable { .. }) if !self.order.is_repeatable() => {
                    break Outcome::Stopped(format!(
                        "{} It may have skipped these events: see which keys still wait, and count again before \
                         you skip more.",
                        error.message()
                    ));
                }
                Err(error) if error.is_unavailable() && tries < TRIES => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
                }
                Err(error) => break Outcome::Stopped(error.message()),
            }
        };
        self.state.send_modify(|state| state.outcome = Some(outcome));
    }
}
