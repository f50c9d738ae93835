//! The signed-in user.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use service_kit::auth::Identity;

/// The scope for changing prices and products.
pub(crate) const CATALOG_WRITE: &str = "catalog:write";

/// The scope for shipping orders.
pub(crate) const ORDERS_SHIP: &str = "orders:ship";

/// The scope for the control room.
pub(crate) const OPS: &str = "ops";

/// A visitor who has signed in. Cheap enough to clone for each call.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// The token's `sub`: the buyer's id.
    pub(crate) name: String,
    /// Sent to the services that are called on the user's behalf.
    pub(crate) token: SecretString,
    /// When the token expires.
    pub(crate) expires_at: DateTime<Utc>,
    scopes: BTreeSet<String>,
}

impl User {
    /// The holder of a verified token.
    pub(crate) fn new(identity: Identity, token: SecretString) -> Self {
        let Identity { subject, scopes, expires_at } = identity;
        Self { name: subject, token, expires_at, scopes }
    }

    pub(crate) fn may(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether the user has an account: those who sign in by name have none.
    pub(crate) fn has_account(&self) -> bool {
        self.name.parse::<uuid::Uuid>().is_ok()
    }

    pub(crate) fn is_merchant(&self) -> bool {
        self.may(CATALOG_WRITE)
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.may(OPS)
    }
}
