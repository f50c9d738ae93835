//! What a person, or a program, is told in the end.

mod page;
mod table;

pub(crate) use self::{
    page::page,
    table::{print_broken, print_scoreboard, print_table},
};

use serde::Serialize;

use crate::run::Outcome;

/// The report as programs read it.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) seed: u64,
    pub(crate) faults: &'a [Outcome],
}
