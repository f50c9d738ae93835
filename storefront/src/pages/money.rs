//! Amounts, as they are shown.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// An amount in a currency; shown as `€1,249.00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    amount: Decimal,
    currency: String,
}

/// A price that became another; shown as `+€2.50 (+25 %)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The price before.
    pub old: Money,
    /// The price now.
    pub new: Money,
}

impl Money {
    /// So much of this currency.
    pub fn new(amount: Decimal, currency: &str) -> Self {
        Self { amount, currency: currency.to_owned() }
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(&self, count: i64) -> Self {
        Self { amount: self.amount * Decimal::from(count), currency: self.currency.clone() }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let text = format!("{:.2}", cents.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
        let mut grouped = String::with_capacity(text.len() + 4);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let sign = if cents.is_sign_negative() && !cents.is_zero() { "−" } else { "" };
        match self.currency.as_str() {
            "EUR" => write!(f, "{sign}€{grouped}.{fraction}"),
            other => write!(f, "{sign}{other} {grouped}.{fraction}"),
        }
    }
}

impl Change {
    /// Whether the price went up.
    pub fn is_rise(&self) -> bool {
        self.new.amount > self.old.amount
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let difference = self.new.amount - self.old.amount;
        let sign = if self.is_rise() { "+" } else { "" };
        write!(f, "{sign}{}", Money::new(difference, &self.new.currency))?;
        if self.old.amount.is_zero() {
            return Ok(());
        }
        let percent = (difference / self.old.amount * Decimal::ONE_HUNDRED)
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        let minus = if percent.is_sign_negative() && !percent.is_zero() { "−" } else { sign };
        write!(f, " ({minus}{}\u{a0}%)", percent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(text: &str) -> Money {
        Money::new(text.parse().unwrap_or_default(), "EUR")
    }

    #[test]
    fn amounts_are_shown_with_cents_and_groups() {
        assert_eq!(euro("0").to_string(), "€0.00");
        assert_eq!(euro("12.5").to_string(), "€12.50");
        assert_eq!(euro("1249").to_string(), "€1,249.00");
        assert_eq!(euro("-1234567.8").to_string(), "−€1,234,567.80");
        assert_eq!(Money::new(Decimal::TEN, "USD").to_string(), "USD 10.00");
    }

    #[test]
    fn a_change_says_its_direction_twice() {
        let change = |old, new| Change { old: euro(old), new: euro(new) }.to_string();
        assert_eq!(change("10", "12.50"), "+€2.50 (+25\u{a0}%)");
        assert_eq!(change("10", "9"), "−€1.00 (−10\u{a0}%)");
        assert_eq!(change("0", "9"), "+€9.00");
    }
}
