//! Why an operator decides something, for whoever reads it later.

use std::fmt;

use serde::Deserialize;

use crate::problem::Problem;

/// The longest reason, in characters.
const LIMIT: usize = 500;

/// A text that is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoReason;

impl fmt::Display for NoReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "give a reason of 1 to {LIMIT} characters, for whoever reads it later")
    }
}

impl std::error::Error for NoReason {}

/// The reason in this text, without the white space around it.
pub fn parse(text: &str) -> Result<&str, NoReason> {
    let reason = text.trim();
    let is_one = (1..=LIMIT).contains(&reason.chars().count()) && !reason.contains('\0');
    if is_one { Ok(reason) } else { Err(NoReason) }
}

/// The reason in this member of a body. The problem names the member.
pub fn of_body<'a>(text: Option<&'a str>, member: &str) -> Result<&'a str, Problem> {
    parse(text.unwrap_or_default())
        .map_err(|error| Problem::validation(error.to_string()).at(format!("#/{member}"), error.to_string()))
}

/// Why an operator decides so.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonBody {
    /// For whoever reads it later; 1 to 500 characters.
    reason: String,
}

impl ReasonBody {
    /// The reason, without the white space around it.
    pub fn reason(&self) -> Result<&str, Problem> {
        of_body(Some(&self.reason), "reason")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_1_to_500_characters_and_no_nul() {
        assert_eq!(parse("  a wrong import\n"), Ok("a wrong import"));
        assert_eq!(parse(&"é".repeat(500)).map(str::len), Ok(1_000));
        for text in ["", " \t", "a\0b", &"x".repeat(501)] {
            assert_eq!(parse(text), Err(NoReason), "{text:.10}");
        }
    }
}
