//! The ids and values of a user, each parsed once at the edge.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::text::is_hidden;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// A user's id; also the key of all their events, and the `sub` of their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(transparent)]
#[sqlx(transparent)]
#[schema(value_type = Uuid, example = "019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11")]
pub struct UserId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a name or an address cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A name of no length, or too long.
    #[error("a name has 1 to {MAX_NAME} characters, spaces around it not counted")]
    NameLength,
    /// Line breaks, NUL, and what is not seen or turns the text around it.
    #[error(
        "control characters, and those that are not seen or change the direction of writing, are not allowed"
    )]
    Control,
    /// Not an address.
    #[error("this is not an e-mail address: it is name@domain, of at most {MAX_EMAIL} characters")]
    NotAnAddress,
}

/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// The longest address (RFC 5321, with the brackets that are not part of it), and the longest part before the `@`.
const MAX_EMAIL: usize = 254;
const MAX_LOCAL: usize = 64;

/// What a user is called: 1 to 100 characters in Unicode's form C, on one line. Any others, `<` too: it is shown as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "Alice")]
pub struct UserName(String);

impl TryFrom<String> for UserName {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.chars().any(is_hidden) {
            return Err(TextError::Control);
        }
        let text: String = text.trim().nfc().collect();
        if !(1..=MAX_NAME).contains(&text.chars().count()) {
            return Err(TextError::NameLength);
        }
        Ok(Self(text))
    }
}

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address in Unicode's form C, its domain in ASCII. It says nothing of itself in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 3, max_length = 254, example = "alice@example.org")]
pub struct Email(String);

impl TryFrom<String> for Email {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        let text: String = text.nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(TextError::NotAnAddress)?;
        let domain = domain_in_ascii(domain).ok_or(TextError::NotAnAddress)?;
        let address = format!("{local}@{domain}");
        if !is_local(local) || address.len() > MAX_EMAIL {
            return Err(TextError::NotAnAddress);
        }
        Ok(Self(address))
    }
}

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared: two addresses with the same key are one. Servers may tell `A@` and `a@` apart, and none does.
    pub fn key(&self) -> String {
        self.0.to_lowercase().nfc().collect()
    }

    /// The key without the tag after a `+`: as a rule the mail of all tags comes into one inbox.
    pub fn inbox(&self) -> String {
        let key = self.key();
        match key.split_once('@') {
            Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
            None => key,
        }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// What stands before the `@`: no quotes, no comments, nothing that means something in a header.
fn is_local(local: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !is_hidden(c) && !"@()<>[]:;,\\\"".contains(c);
    (1..=MAX_LOCAL).contains(&local.len())
        && local.chars().all(is_allowed)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
}

/// The domain as servers know it; `None` if it is none: two labels at least, of letters, digits and hyphens.
fn domain_in_ascii(domain: &str) -> Option<String> {
    let Ok(url::Host::Domain(ascii)) = url::Host::parse(domain) else { return None };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_domain = ascii.contains('.') && ascii.split('.').all(is_label);
    // A URL's host may be percent-encoded; an address may not.
    (is_domain && !domain.contains('%')).then_some(ascii)
}

/// Where a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Status {
    /// There is such a user; that the address is theirs is not shown yet.
    Registered,
    /// It is.
    Validated,
    /// The address is another user's.
    Rejected,
}

/// A user, as they see themselves.
#[derive(Debug, Clone, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Their id.
    pub user_id: UserId,
    /// What they are called.
    pub user_name: UserName,
    /// Where they are written to.
    pub email: Email,
    /// Where they stand.
    pub status: Status,
    /// When they registered.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        Email::try_from(text.to_owned()).ok().map(|email| email.key())
    }

    #[test]
    fn an_address_is_the_same_in_another_case_form_and_alphabet() {
        let key_of = |text: &str| key(text).unwrap_or_else(|| panic!("{text} is an address"));
        assert_eq!(key_of("Alice@Example.ORG"), "alice@example.org");
        assert_eq!(key_of("alice+shop@example.org"), "alice+shop@example.org");
        assert_eq!(key_of("jo@bücher.example"), key_of("JO@xn--bcher-kva.example"));
        // Composed and decomposed.
        assert_eq!(key_of("jos\u{e9}@example.org"), key_of("jose\u{301}@example.org"));
        assert_eq!(Email::try_from("Alice@Example.ORG".to_owned()).unwrap().as_str(), "Alice@example.org");
        assert_eq!(format!("{:?}", Email::try_from("a@b.example".to_owned()).unwrap()), "Email(…)");
    }

    #[test]
    fn the_mail_of_all_tags_comes_into_one_inbox() {
        let inbox = |text: &str| Email::try_from(text.to_owned()).unwrap().inbox();
        for text in ["alice@example.org", "Alice+1@Example.org", "alice+a+b@example.org"] {
            assert_eq!(inbox(text), "alice@example.org", "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let longest = format!("a@{}.org", ["b".repeat(60).as_str(); 5].join("."));
        for text in [
            "",
            "@",
            "alice",
            "alice@",
            "@example.org",
            "alice@localhost",
            "a b@example.org",
            "a@b@example.org",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a@-b.org",
            "a@b_c.org",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@example..org",
            "a@ex ample.org",
            "a@%65xample.org",
            "a\r\nBcc: x@example.org",
            "a@example.org\r\n",
            "\u{202e}a@example.org",
            "\u{3164}@example.org",
            "a\0@example.org",
            "<a@example.org>",
            "a,b@example.org",
            &long,
            &longest,
        ] {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_has_1_to_100_visible_characters() {
        let name = |text: &str| UserName::try_from(text.to_owned()).map(|name| name.0);
        for text in ["A", "<script>", "Jose\u{301}", "李", "👩\u{200d}🚀", &"x".repeat(100)] {
            assert!(name(text).is_ok(), "{text}");
        }
        assert_eq!(name(" Jose\u{301} ").unwrap(), "Jos\u{e9}");
        for text in ["", "  ", &"x".repeat(101), &"x".repeat(300)] {
            assert_eq!(name(text), Err(TextError::NameLength), "{text:?}");
        }
        for text in ["a\nb", "a\0", "a\u{202e}b", "\u{2066}a", "a\u{7f}", "\u{feff}a", "a\u{2028}b"] {
            assert_eq!(name(text), Err(TextError::Control), "{text:?}");
        }
        assert_eq!(name("\u{3164}"), Err(TextError::Control), "a blank that is a letter to Unicode");
    }
}
