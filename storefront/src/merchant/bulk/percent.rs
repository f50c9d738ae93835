//! The percentage of a price change.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};

/// The percentage of a price change: −90 to 500, and not 0. At most two digits are behind a comma or a dot: `1,000` is a
/// thousand to some and one to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent(Decimal);

/// Why the text is no such percentage.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PercentError {
    #[error("The percentage must be a number from -90 to 500, other than 0.")]
    OutOfRange,
    #[error("The percentage has at most two digits behind the comma or dot, such as 12.5.")]
    TooPrecise,
}

impl Percent {
    /// The new price: in whole cents, and at least one.
    pub(super) fn of(self, price: Decimal) -> Decimal {
        let new = price + price * self.0 / Decimal::ONE_HUNDRED;
        new.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero).max(Decimal::new(1, 2))
    }

    /// The number as a form has it.
    pub(super) fn number(self) -> String {
        self.0.normalize().to_string()
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let text = text.trim().trim_end_matches('%').trim().replace(',', ".").replace('−', "-");
        let percent: Decimal =
            text.strip_prefix('+').unwrap_or(&text).parse().map_err(|_no_number| PercentError::OutOfRange)?;
        if percent.scale() > 2 {
            return Err(PercentError::TooPrecise);
        }
        let is_allowed = percent >= Decimal::from(-90) && percent <= Decimal::from(500) && !percent.is_zero();
        if is_allowed { Ok(Self(percent)) } else { Err(PercentError::OutOfRange) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_sign_negative() { "−" } else { "+" };
        write!(f, "{sign}{} %", self.0.abs().normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_gives_whole_cents() {
        let new = |percent: &str, price: &str| {
            let percent: Percent = percent.parse().ok()?;
            Some(percent.of(price.parse().ok()?).to_string())
        };
        assert_eq!(new("10", "12.55").as_deref(), Some("13.81"));
        assert_eq!(new("-12,5 %", "10.00").as_deref(), Some("8.75"));
        assert_eq!(new("-90", "0.01").as_deref(), Some("0.01"));
        for refused in ["0", "-91", "501", "much", ""] {
            assert_eq!(new(refused, "1"), None, "{refused}");
        }
    }

    #[test]
    fn a_percentage_that_may_be_meant_in_thousands_is_refused() {
        for text in ["1,000", "1.000", "-1,000 %", "0.125"] {
            assert_eq!(text.parse::<Percent>(), Err(PercentError::TooPrecise), "{text}");
        }
        for text in ["12,50", "0.25"] {
            assert!(text.parse::<Percent>().is_ok(), "{text}");
        }
    }
}
