//! Development tokens, as `cargo shop token --secret` prints them: for services that run without accounts.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use shop::token::{DEVELOPMENT_SECRET, Lifetime, issue_with_secret};

/// Has a service check tokens with the development secret, instead of asking accounts for keys.
pub fn expect_secret(variables: &mut Vec<(String, String)>) {
    variables.retain(|(name, _)| !name.starts_with("APP__AUTH__"));
    variables.push(("APP__AUTH__SECRET".to_owned(), DEVELOPMENT_SECRET.to_owned()));
}

/// A token for `sub` with these scopes (separated by spaces), good for a day.
pub fn token(sub: &str, scope: &str) -> Result<String> {
    issue_with_secret(SystemTime::now(), sub, &[scope.parse()?], Lifetime::DAY)
}

/// A token that expired an hour ago.
pub fn expired(sub: &str, scope: &str) -> Result<String> {
    let yesterday = SystemTime::now() - Duration::from_hours(25);
    issue_with_secret(yesterday, sub, &[scope.parse()?], Lifetime::DAY)
}
