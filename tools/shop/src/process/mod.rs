//! Processes: starting them, knowing them again, ending them.

mod end;
mod identity;
mod launch;
mod record;
mod running;
mod wait;

pub use end::{Ending, await_end, end, kill};
pub use identity::Identity;
pub use launch::{Launch, RunAs, without_foreign_settings};
pub use record::Record;
pub use running::{Running, last_words};
pub use wait::wait_until;
