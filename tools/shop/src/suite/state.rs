//! What of the suite runs at this moment.

use anyhow::Result;

use super::Suite;
use crate::process::{Identity, Record};
use crate::registry::Name;

/// What is known of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was started and runs.
    Running(Identity),
    /// It was started, was not stopped, and does not run.
    Died(Identity),
    /// It was not started, or was stopped with the whole suite.
    Stopped,
}

impl Suite {
    /// What is known of this process.
    pub fn state(&self, name: Name) -> Result<State> {
        Ok(match Record::read(&self.home.run(), &name.to_string())? {
            Some(Record { process }) if process.is_alive() => State::Running(process),
            Some(Record { process }) => State::Died(process),
            None => State::Stopped,
        })
    }

    /// Whether anything of it should run: it was started, and was not stopped.
    pub fn is_recorded(&self) -> Result<bool> {
        self.any(|state| *state != State::Stopped)
    }

    /// Whether all of it was started: what was killed since counts, what was never started does not.
    pub fn is_whole(&self) -> Result<bool> {
        Ok(!self.any(|state| *state == State::Stopped)?)
    }

    /// Whether anything of it runs.
    pub fn is_up(&self) -> Result<bool> {
        self.any(|state| matches!(state, State::Running(_)))
    }

    fn any(&self, is_it: impl Fn(&State) -> bool) -> Result<bool> {
        for name in self.names() {
            if is_it(&self.state(name)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
