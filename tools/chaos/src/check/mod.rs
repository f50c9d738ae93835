//! What must be true after every run, whatever was broken.

mod evidence;
mod footprint;
mod judge;
mod probe;

pub(crate) use self::{
    evidence::{Evidence, Mark},
    footprint::Footprint,
    judge::{Expected, Findings, Repeats, judge},
    probe::{ONLY_PROBED, Probe},
};
