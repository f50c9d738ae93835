//! Bearer tokens: verified into an identity with scopes, and signed.

mod buyer;
mod claims;
mod identity;
mod jwks;
mod key;
mod signer;
mod verifier;

pub use buyer::{BuyerId, BuyerIdError};
pub use identity::{Authorized, Identity, Ops, Scope};
pub use key::{DEVELOPMENT_KEY_ID, PublicKey, SigningKey};
pub use signer::Signer;
pub use verifier::Verifier;

/// The secret that `cargo shop up` and the Compose file give every service in development mode.
/// It is published with the source, so production mode refuses it.
pub const DEVELOPMENT_SECRET: &str = "shop-development-secret-not-for-production";
