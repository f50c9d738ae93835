//! What the person at the terminal sees and presses.

mod interrupt;
mod output;
mod progress;
mod table;
mod tail;

pub use interrupt::{Interrupt, Interrupted};
pub use output::{complain, print, say};
pub use progress::Progress;
pub use table::table;
pub use tail::{Follower, tail};

use std::time::Duration;

/// Sleeps for one turn of a loop that asks again and again: long enough to cost nothing, too short to be felt.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
