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
        for name in self.names() {
            if self.state(name)? != State::Stopped {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether all of it was started: what was killed since counts, what was never started does not.
    pub fn is_whole(&self) -> Result<bool> {
        for name in self.names() {
            if self.state(name)? == State::Stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether anything of it runs.
    pub fn is_up(&self) -> Result<bool> {
        for name in self.names() {
            if matches!(self.state(name)?, State::Running(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
