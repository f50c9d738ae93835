//! Prices, as far as the demo has to reckon with them.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// An amount in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cents(i64);

impl Cents {
    /// So much more.
    pub(super) fn plus(self, cents: i64) -> Self {
        Self(self.0 + cents)
    }
}

impl FromStr for Cents {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let meaning = || format!("{text:?} is not a price");
        let fraction = match fraction.len() {
            1 => fraction.parse::<i64>().with_context(meaning)? * 10,
            2 => fraction.parse::<i64>().with_context(meaning)?,
            _ => bail!(meaning()),
        };
        let whole = whole.parse::<i64>().with_context(meaning)?;
        Ok(Self(whole.checked_mul(100).with_context(meaning)? + fraction))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_and_written_to_the_cent() {
        for (text, written) in [("12.50", "12.50"), ("12.5", "12.50"), ("12", "12.00"), ("0.05", "0.05")] {
            assert_eq!(text.parse::<Cents>().unwrap().to_string(), written);
        }
        assert_eq!("9.99".parse::<Cents>().unwrap().plus(1).to_string(), "10.00");
        assert!("12.505".parse::<Cents>().is_err());
        assert!("free".parse::<Cents>().is_err());
    }
}
