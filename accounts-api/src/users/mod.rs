//! Users: the commands and queries, a subject a file.
//!
//! | | |
//! |---|---|
//! | [`register`] | asks for a registration, and, when its event comes, does it or rejects it |
//! | [`validate`] | the address is the user's |
//! | [`erase`] | the user's data goes |
//! | [`grant`] | what the user's tokens allow |
//! | [`find`] | a user by id or address |

pub mod erase;
pub mod events;
pub mod find;
pub mod grant;
pub mod handlers;
pub mod model;
pub mod register;
pub mod validate;

use std::sync::Arc;

use service_kit::link_token::LinkKey;
use sqlx::PgPool;

use crate::passwords::Hasher;

pub use model::{Email, Status, User, UserId, UserName};

/// The path that the routes of users begin with.
pub const BASE: &str = "/api/v1/users";

/// What the routes of users share.
pub struct Users {
    pub(crate) pool: PgPool,
    pub(crate) hasher: Hasher,
    pub(crate) links: LinkKey,
    pub(crate) notify: Arc<dyn Fn() + Send + Sync>,
}
