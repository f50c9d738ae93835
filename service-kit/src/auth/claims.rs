//! What a token says (RFC 7519, section 4.1), checked; a refusal names the claim at fault.
//!
//! A date is any JSON number: with a fraction, with an exponent, before 1970. A claim that is `null` is absent.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// How far two clocks may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);
/// The longest subject, in characters.
const MAX_SUBJECT: usize = 128;

/// The claims of a token whose signature is good.
pub(super) struct Claims(Map<String, Value>);

/// What counts of the claims.
pub(super) struct Checked {
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: DateTime<Utc>,
}

impl Claims {
    pub(super) fn new(mut claims: Map<String, Value>) -> Self {
        claims.retain(|_, value| !value.is_null());
        Self(claims)
    }

    /// Checks who made the token, for whom, and from when until when it counts.
    pub(super) fn check(&self, issuer: &str, audience: &str, now: DateTime<Utc>) -> Result<Checked, String> {
        let expires_at = self.date("exp")?.ok_or_else(|| missing("exp"))?;
        if expires_at + LEEWAY < now {
            return Err("the token has expired, says its claim exp".to_owned());
        }
        if self.date("nbf")?.is_some_and(|from| now + LEEWAY < from) {
            return Err("the token is not valid yet, says its claim nbf".to_owned());
        }
        self.date("iat")?;
        if self.text("iss")? != issuer {
            return Err("the token is from another issuer, says its claim iss".to_owned());
        }
        if !self.texts("aud")?.ok_or_else(|| missing("aud"))?.contains(&audience) {
            return Err("the token is for another audience, says its claim aud".to_owned());
        }
        let subject = self.text("sub")?;
        if subject.is_empty()
            || subject.chars().count() > MAX_SUBJECT
            || subject.chars().any(char::is_control)
        {
            return Err(format!(
                "the token's claim sub must have 1 to {MAX_SUBJECT} characters, and no control characters"
            ));
        }
        let scopes = self.texts("scope")?.unwrap_or_default();
        let scopes = scopes.iter().flat_map(|scope| scope.split_ascii_whitespace());
        Ok(Checked {
            subject: subject.to_owned(),
            scopes: scopes.map(ToOwned::to_owned).collect(),
            expires_at,
        })
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        let value = self.0.get(name).ok_or_else(|| missing(name))?;
        value.as_str().ok_or_else(|| format!("the token's claim {name} must be a string"))
    }

    /// A string, or an array of strings.
    fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, String> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let texts = match value {
            Value::Array(values) => values.iter().map(Value::as_str).collect(),
            single => single.as_str().map(|text| vec![text]),
        };
        let wrong = || format!("the token's claim {name} must be a string or an array of strings");
        texts.ok_or_else(wrong).map(Some)
    }

    /// Seconds since 1970. What lies outside of the calendar is its first or last moment.
    fn date(&self, name: &str) -> Result<Option<DateTime<Utc>>, String> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let wrong = || format!("the token's claim {name} must be a number: seconds since 1970");
        let milliseconds = value.as_f64().ok_or_else(wrong)? * 1000.0;
        let (first, last) = (DateTime::<Utc>::UNIX_EPOCH, last_moment());
        #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 ends at the bounds of i64")]
        let date = DateTime::from_timestamp_millis(milliseconds as i64);
        let beyond = if milliseconds < 0.0 { first } else { last };
        Ok(Some(date.unwrap_or(beyond).clamp(first, last)))
    }
}

/// The end of the year 9999: leaves room for leeway.
fn last_moment() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
}

fn missing(name: &str) -> String {
    format!("the token lacks the claim {name}")
}
