//! Orders that are being carried out. They are in memory only: a restart of this service stops one between two calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::order::{Order, Step};
use crate::clients::ClientError;
use crate::ops::api::OpsApi;
use crate::session::User;

/// The most jobs that are kept. The oldest one that has ended is dropped first.
const MAX_JOBS: usize = 20;

/// How often a call is tried while the service does not answer.
const TRIES: u32 = 5;

/// The pause after the first try; it doubles after each try.
const PAUSE: Duration = Duration::from_millis(500);

/// An order, and how far it is.
pub(crate) struct Job {
    /// Chosen by the form, so that a form that is sent twice starts one job.
    pub(crate) id: Uuid,
    pub(crate) owner: String,
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
    pub(crate) fn new(id: Uuid, owner: &str, order: Order, reason: &str, found: Step) -> Self {
        let (owner, reason, total) = (owner.to_owned(), reason.trim().to_owned(), found.at_most);
        Self { id, owner, order, reason, total, state: watch::Sender::default() }
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

/// The jobs of this process.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Job>>>);

impl Jobs {
    /// The job with this id, if it belongs to this operator.
    pub(crate) fn find(&self, id: Uuid, owner: &str) -> Option<Arc<Job>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|job| job.id == id && job.owner == owner).cloned()
    }

    /// Keeps a new job; `None` if its id is taken, or too many jobs are running.
    pub(crate) fn keep(&self, job: Job) -> Option<Arc<Job>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|known| known.id == job.id) {
            return None;
        }
        if kept.len() >= MAX_JOBS {
            let ended = kept.iter().position(|job| job.state.borrow().outcome.is_some())?;
            kept.remove(ended);
        }
        let job = Arc::new(job);
        kept.push_back(Arc::clone(&job));
        Some(job)
    }
}
