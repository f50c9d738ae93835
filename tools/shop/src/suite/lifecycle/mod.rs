//! From start to stop of the suite's processes.

mod prepare;
mod start;
mod stop;
