//! A visitor who has signed in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use service_kit::auth::Identity;

/// The scope that lets somebody change prices and products.
pub const CATALOG_WRITE: &str = "catalog:write";

/// The scope that opens the control room.
pub const OPS: &str = "ops";

/// A visitor who has signed in. Cheap enough to clone for each call.
#[derive(Debug, Clone)]
pub struct User {
    /// The token's `sub`: the buyer's id.
    pub name: String,
    /// The token, for the services that are asked on the visitor's behalf.
    pub token: SecretString,
    /// Until when it counts.
    pub expires_at: DateTime<Utc>,
    scopes: BTreeSet<String>,
}

impl User {
    /// The holder of a token that was verified.
    pub fn new(identity: Identity, token: SecretString) -> Self {
        let Identity { subject, scopes, expires_at } = identity;
        Self { name: subject, token, expires_at, scopes }
    }

    /// Whether the visitor may do what needs this scope.
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether the visitor may change prices and products.
    pub fn is_merchant(&self) -> bool {
        self.may(CATALOG_WRITE)
    }

    /// Whether the control room is open to the visitor.
    pub fn is_operator(&self) -> bool {
        self.may(OPS)
    }
}
