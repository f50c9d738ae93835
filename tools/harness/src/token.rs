//! Development tokens, as `cargo shop token` prints them.

use std::time::Duration;

use anyhow::Result;
use shop::token::{Lifetime, issue, issue_at};

/// A token for `sub` with these scopes (separated by spaces), good for a day.
pub fn token(sub: &str, scope: &str) -> Result<String> {
    issue(sub, &[scope.parse()?], Lifetime::DAY)
}

/// A token that expired an hour ago.
pub fn expired(sub: &str, scope: &str) -> Result<String> {
    let yesterday = std::time::SystemTime::now() - Duration::from_hours(25);
    issue_at(yesterday, sub, &[scope.parse()?], Lifetime::DAY)
}
