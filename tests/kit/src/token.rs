//! Tokens as `cargo shop token` prints them.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

/// The secret of development mode. Written out here: a test that took it from the code under test
/// would not notice it change.
const SECRET: &[u8] = b"shop-development-secret-not-for-production";

/// A token for `sub` with these scopes (separated by spaces), good for an hour.
pub fn token(sub: &str, scope: &str) -> String {
    signed(sub, scope, 3600)
}

/// One that ran out an hour ago.
pub fn expired_token(sub: &str, scope: &str) -> String {
    signed(sub, scope, -3600)
}

fn signed(sub: &str, scope: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    let now = i64::try_from(now).unwrap();
    let claims = json!({
        "sub": sub, "scope": scope, "iss": "shop", "aud": "shop", "iat": now - 7200, "exp": now + seconds,
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).expect("claims that serialise")
}
