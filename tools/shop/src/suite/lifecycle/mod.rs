//! From start to stop of the suite's processes.

mod prepare;
mod start;
mod stop;

pub use stop::{Stopped, stop_recorded};
