//! What all pages have in common.

mod answer;
mod assets;
mod format;
mod frame;
mod notice;
mod problem;
mod visit;

pub(crate) use answer::{Answer, html, local, refused, see_other};
pub(crate) use assets::{asset_url, routes};
pub(crate) use format::{Change, Money, count, title};
pub(crate) use frame::{CartMark, Frame, Section};
pub(crate) use problem::PROBLEM_PAGE;
pub(crate) use visit::{Shop, Visit};
