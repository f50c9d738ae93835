//! What must be true after every run, whatever was broken.

mod checker;
mod footprint;
mod observations;
mod recorder;

pub(crate) use self::{
    checker::{Expected, Findings, Found, Repeats, check},
    footprint::Footprint,
    observations::{Mark, Observations, POISON},
    recorder::{ONLY_RECORDED, Recorder},
};
