//! A password, as it was typed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::problem::Problem;
use unicode_normalization::UnicodeNormalization;

use super::common::is_common;

/// The fewest characters of a new password, and the most. Length is what counts (NIST SP 800-63B, section 5.1.1).
const LENGTH: std::ops::RangeInclusive<usize> = 10..=1_024;

/// A password that somebody signs in with. It says nothing of itself in a log.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(from = "String")]
#[schema(value_type = String, format = Password)]
pub struct Password(SecretString);

/// A password that somebody wants to have: 10 to 1,024 characters, and none of the common ones.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, format = Password, min_length = 10, max_length = 1024)]
pub struct NewPassword(Password);

/// Why a password is not taken. It does not say the password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short, or too long.
    #[error("a password has {} to {} characters", LENGTH.start(), LENGTH.end())]
    Length,
    /// The character that ends a text in many programs.
    #[error("a password cannot hold the character NUL")]
    Nul,
    /// One of those that are tried first.
    #[error("this password is among those that are tried first: take another one")]
    Common,
}

impl From<String> for Password {
    /// In one form, whatever keyboard it was typed on.
    fn from(text: String) -> Self {
        Self(text.nfc().collect::<String>().into())
    }
}

impl Password {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl TryFrom<String> for NewPassword {
    type Error = PasswordError;

    fn try_from(text: String) -> Result<Self, PasswordError> {
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        let password = Password::from(text);
        let text = password.0.expose_secret();
        if !LENGTH.contains(&text.chars().count()) {
            return Err(PasswordError::Length);
        }
        if is_common(text) { Err(PasswordError::Common) } else { Ok(Self(password)) }
    }
}

impl NewPassword {
    /// Refuses a password that is what everybody knows of the user.
    pub fn check_against(&self, name: &str, email: &str) -> Result<(), Problem> {
        let text = self.0.0.expose_secret().to_lowercase();
        if text == name.to_lowercase() || text == email.to_lowercase() {
            let detail = "a password cannot be the user's name or address";
            return Err(Problem::validation(detail).at("#/password", detail));
        }
        Ok(())
    }
}

impl From<NewPassword> for Password {
    fn from(password: NewPassword) -> Self {
        password.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_long_and_not_common() {
        let new = |text: &str| NewPassword::try_from(text.to_owned()).map(drop);
        let numbers: String = (0..300).map(|n| n.to_string()).collect();
        for text in ["correct horse", "Tr0ub4dor&3!", "ächzend-üben", "a-password-of-mine", &numbers] {
            assert_eq!(new(text), Ok(()), "{text}");
        }
        for text in
            ["", "short", "ninechars", &"e\u{301}".repeat(9), &"x ".repeat(600), &"x".repeat(1_000_000)]
        {
            assert_eq!(new(text), Err(PasswordError::Length));
        }
        for text in [
            "1234567890",
            "0987654321",
            "qwertyuiop",
            "password123",
            "Password123!",
            "PASSWORD2026",
            "aaaaaaaaaaaa",
            "abababababab",
            "iloveyou12345",
            "letmein123456",
            "correcthorsebatterystaple",
            "passwordpassword",
            "abcdefghij",
            "1q2w3e4r5t6y",
            "administrator",
        ] {
            assert_eq!(new(text), Err(PasswordError::Common), "{text}");
        }
        assert_eq!(new("a\0bcdefghijk"), Err(PasswordError::Nul));
        assert_eq!(
            format!("{:?}", NewPassword::try_from("correct horse".to_owned()).unwrap()),
            "Password(…)"
        );
    }
}
