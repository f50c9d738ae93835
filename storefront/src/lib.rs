//! The shop's pages, rendered on the server and renewed by server-sent events.
//!
//! | module | job |
//! |---|---|
//! | `browse` | the catalogue, a product, its picture |
//! | `cart` | the buyer's cart and its price alerts |
//! | `merchant` | prices and products, for merchants |
//! | `ops` | the control room, for operators |
//! | `sign_in` | signing in and out |
//! | `live` | the streams that tell open pages what has changed |
//! | `pages` | what all pages have in common |
//! | `session` | the user, the session cookie, forms of this site |
//! | `clients` | the other services, over HTTP |
//! | [`chart`] | lines in SVG |
//!
//! This service has no database and no broker. A page whose service is unavailable shows which part is missing.

mod browse;
mod cart;
pub mod chart;
mod clients;
mod live;
mod merchant;
mod ops;
mod pages;
mod session;
pub mod settings;
mod sign_in;
pub mod startup;
