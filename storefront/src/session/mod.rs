//! Who visits, what they may do, and forms that only our own pages can send.
//!
//! A session is the visitor's token itself, in a cookie that scripts cannot read: nothing is kept here, and
//! every process of this service knows every session.

mod cookie;
mod form;
mod issuer;
mod sign_in;
mod user;

pub use cookie::SessionCookie;
pub use form::{Nothing, Posted};
pub use issuer::Issuer;
pub use sign_in::routes;
pub use user::{CATALOG_WRITE, OPS, User};
