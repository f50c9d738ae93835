//! What must be true after every run, whatever was broken.

mod checker;
mod footprint;
mod observations;
mod order_observations;
mod orders;
mod recorder;
mod user_observations;
mod users;

pub(crate) use self::{
    checker::{Expected, Findings, Found, Repeats, check},
    footprint::Footprint,
    observations::{Mark, Observations, POISON},
    order_observations::OrderMark,
    orders::check_orders,
    recorder::{ONLY_RECORDED, Recorder},
    user_observations::UserMark,
    users::check_users,
};
