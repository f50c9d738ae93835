//! Prices, numbers and names as text.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// An amount in a currency, shown as `€1,249.00`.
#[derive(Debug, Clone)]
pub(crate) struct Money {
    amount: Decimal,
    currency: String,
}

/// A price and the price before it, shown as `+€2.50 (+25 %)`.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) old: Money,
    pub(crate) new: Money,
}

impl Money {
    pub(crate) fn new(amount: Decimal, currency: &str) -> Self {
        Self { amount, currency: currency.to_owned() }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let text = format!("{:.2}", cents.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
        let sign = if cents.is_sign_negative() && !cents.is_zero() { "−" } else { "" };
        let (symbol, space) =
            if self.currency == "EUR" { ("€", "") } else { (self.currency.as_str(), " ") };
        write!(f, "{sign}{symbol}{space}{}.{fraction}", grouped(whole))
    }
}

impl Change {
    pub(crate) fn new(old: Decimal, new: Decimal, currency: &str) -> Self {
        Self { old: Money::new(old, currency), new: Money::new(new, currency) }
    }

    pub(crate) fn is_rise(&self) -> bool {
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

/// A number with its thousands separated: `1,234`.
pub(crate) fn count(number: impl Into<i128>) -> String {
    let number = number.into();
    let sign = if number < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(&number.unsigned_abs().to_string()))
}

/// The name of a service as a title: `payment_processor` as `Payment processor`.
pub(crate) fn title(name: &str) -> String {
    let name = name.replace('_', " ");
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(text: &str) -> Money {
        Money::new(text.parse().unwrap_or_default(), "EUR")
    }

    #[test]
    fn amounts_have_cents_and_separated_thousands() {
        assert_eq!(euro("0").to_string(), "€0.00");
        assert_eq!(euro("12.5").to_string(), "€12.50");
        assert_eq!(euro("1249").to_string(), "€1,249.00");
        assert_eq!(euro("-1234567.8").to_string(), "−€1,234,567.80");
        assert_eq!(Money::new(Decimal::TEN, "USD").to_string(), "USD 10.00");
    }

    #[test]
    fn a_change_shows_its_direction_twice() {
        let change = |old, new| Change { old: euro(old), new: euro(new) }.to_string();
        assert_eq!(change("10", "12.50"), "+€2.50 (+25\u{a0}%)");
        assert_eq!(change("10", "9"), "−€1.00 (−10\u{a0}%)");
        assert_eq!(change("0", "9"), "+€9.00");
    }

    #[test]
    fn numbers_have_separated_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567_u64), "1,234,567");
        assert_eq!(count(-1_000), "−1,000");
    }
}
