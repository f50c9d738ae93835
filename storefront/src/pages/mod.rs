//! What all pages have in common.

mod answer;
mod assets;
mod frame;
mod money;
mod notice;
mod problem;
mod shop;
mod visit;

pub use answer::{html, local, see_other};
pub use assets::{asset_url, routes};
pub use frame::{CartMark, Frame, Section};
pub use money::{Change, Money};
pub use notice::Notice;
pub use problem::PROBLEM_PAGE;
pub use shop::Shop;
pub use visit::Visit;
