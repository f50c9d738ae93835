//! The signed-in user, the session cookie, and forms that only pages of this site can send.
//!
//! A session is the user's token in a cookie that scripts cannot read. This service stores no sessions, so every
//! process of it accepts every session.

mod cookie;
mod form;
mod user;
mod visitor;

pub(crate) use cookie::SessionCookie;
pub(crate) use form::{Nothing, Posted};
pub(crate) use user::{CATALOG_WRITE, OPS, ORDERS_SHIP, User};
pub(crate) use visitor::forwarded_for;
