//! Names and descriptions.

use std::fmt;

use serde::{Deserialize, Serialize};
use service_kit::text::is_hidden;
use unicode_normalization::UnicodeNormalization;

/// Why a text is no name or description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A name without characters, or of spaces alone.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than the limit.
    #[error("at most {limit} characters are allowed, got {got}")]
    TooLong {
        /// The limit, in characters.
        limit: usize,
        /// The length of the text, in characters.
        got: usize,
    },
    /// NUL, escape and the like, and what is not seen or turns the text around it.
    #[error(
        "control characters, and those that are not seen or change the direction of writing, are not allowed"
    )]
    Control,
}

/// The name of a product: 1 to 100 characters on one line, in normal form C. Spaces around it are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct Name(String);

/// The description of a product: up to 4,000 characters, in normal form C, on any number of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct Description(String);

impl Name {
    const LIMIT: usize = 100;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Description {
    const LIMIT: usize = 4_000;

    /// The description as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.chars().any(is_hidden) {
            return Err(TextError::Control);
        }
        let text = normalized(text.trim());
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        check_length(&text, Self::LIMIT)?;
        Ok(Self(text))
    }
}

impl TryFrom<String> for Description {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.chars().any(|c| is_hidden(c) && !['\n', '\r', '\t'].contains(&c)) {
            return Err(TextError::Control);
        }
        let text = normalized(&text);
        check_length(&text, Self::LIMIT)?;
        Ok(Self(text))
    }
}

/// The text in normal form C: what looks the same is the same, and is found by whichever form is typed.
pub(super) fn normalized(text: &str) -> String {
    text.nfc().collect()
}

fn check_length(text: &str, limit: usize) -> Result<(), TextError> {
    let got = text.chars().count();
    if got > limit { Err(TextError::TooLong { limit, got }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_taken_as_a_name_can_be_stored_and_shown(text in "\\PC{0,120}|.{0,120}") {
            if let Ok(name) = Name::try_from(text) {
                let name = name.as_str();
                prop_assert!((1..=100).contains(&name.chars().count()));
                prop_assert!(!name.chars().any(is_hidden));
                prop_assert_eq!(name.trim(), name);
                prop_assert_eq!(Name::try_from(name.to_owned()).map(|name| name.0), Ok(name.to_owned()));
            }
        }
    }

    #[test]
    fn a_name_is_one_line_of_1_to_100_characters() {
        let name = |text: &str| Name::try_from(text.to_owned());
        assert_eq!(name("  Tarn 2  ").map(|name| name.to_string()), Ok("Tarn 2".to_owned()));
        assert!(name(&"ü".repeat(100)).is_ok());
        assert_eq!(name(&"ü".repeat(101)), Err(TextError::TooLong { limit: 100, got: 101 }));
        for text in ["", "   "] {
            assert_eq!(name(text), Err(TextError::Empty));
        }
        for text in ["a\0b", "a\nb", "\u{1b}[2J", "\u{200b}", "a\u{202e}b"] {
            assert_eq!(name(text), Err(TextError::Control), "{text:?}");
        }
        assert!(name("👩\u{200d}🚀 Tarn").is_ok(), "joiners belong to emoji");
    }

    #[test]
    fn texts_that_look_the_same_are_the_same() {
        for (composed, decomposed) in [
            ("Café", "Cafe\u{301}"),
            ("Å", "\u{212b}"),
            ("ệ", "e\u{302}\u{323}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
        ] {
            assert_eq!(Name::try_from(decomposed.to_owned()), Name::try_from(composed.to_owned()));
            assert_eq!(
                Description::try_from(decomposed.to_owned()),
                Description::try_from(composed.to_owned())
            );
        }
        assert!(Name::try_from("e\u{301}".repeat(100)).is_ok(), "the length is that of what is kept");
    }

    #[test]
    fn a_description_may_have_lines_but_no_other_hidden_characters() {
        let description = |text: &str| Description::try_from(text.to_owned());
        assert!(description("one\r\n\ttwo").is_ok());
        assert!(description(&"ü".repeat(4_000)).is_ok());
        assert!(matches!(description(&"ü".repeat(4_001)), Err(TextError::TooLong { .. })));
        for text in ["a\0b", "\u{200b}", "a\u{202e}b"] {
            assert_eq!(description(text), Err(TextError::Control), "{text:?}");
        }
    }
}
