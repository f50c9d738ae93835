//! What a person, or a program, is told in the end.

mod table;

pub(crate) use self::table::print_table;

use serde::Serialize;

use crate::run::Outcome;

/// The report as programs read it.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) seed: u64,
    pub(crate) faults: &'a [Outcome],
}
