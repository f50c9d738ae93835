//! What a schedule came to.

use std::{fmt, ops::AddAssign};

/// The result of a schedule.
pub(crate) struct Outcome {
    pub(crate) counters: Counters,
    pub(crate) violation: Option<String>,
    /// A line for each happening, if it was asked for.
    pub(crate) timeline: Vec<String>,
}

/// How much happened in a schedule, or in several.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) published: u64,
    pub(crate) repeats: u64,
    pub(crate) faults: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.published += other.published;
        self.repeats += other.repeats;
        self.faults += other.faults;
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, repeats, faults } = self;
        write!(f, "{published} events published, {repeats} repeats, {faults} faults")
    }
}
