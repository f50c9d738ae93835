//! Tokens as `cargo shop token` prints them.

/// A token for `sub` with these scopes (separated by spaces), good for a day.
///
/// # Panics
/// When `scope` is not a scope.
pub fn token(sub: &str, scope: &str) -> String {
    harness::token::token(sub, scope).unwrap()
}

/// One that is signed with the development key, which accounts publishes in development mode.
///
/// # Panics
/// When `scope` is not a scope.
pub fn signed_token(sub: &str, scope: &str) -> String {
    shop::token::issue(sub, &[scope.parse().unwrap()], shop::token::Lifetime::DAY).unwrap()
}

/// One that ran out an hour ago.
///
/// # Panics
/// When `scope` is not a scope.
pub fn expired_token(sub: &str, scope: &str) -> String {
    harness::token::expired(sub, scope).unwrap()
}
