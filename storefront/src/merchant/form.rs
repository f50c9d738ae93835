//! The form of a product, as merchants fill it in.

use rust_decimal::Decimal;
use serde::Deserialize;
use uuid::Uuid;

use crate::clients::{Details, Item};

/// A product's details, as a merchant typed them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProductForm {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) price: String,
    pub(super) type_id: String,
    pub(super) brand_id: String,
    pub(super) available_stock: String,
    pub(super) restock_threshold: String,
    pub(super) max_stock_threshold: String,
    /// Pieces that open orders have reserved: shown, not sent.
    #[serde(skip)]
    pub(super) reserved: i64,
    /// The version that the merchant saw; empty for a new product.
    pub(super) version: String,
    /// The idempotency key: a form that is sent twice adds one product.
    pub(super) key: String,
}

/// An amount as people write it, with a comma or a point; `None` if it is no positive amount, or has more than two digits
/// behind that: `1,000` is a thousand to some and one to others.
pub(super) fn price(text: &str) -> Option<Decimal> {
    let text = text.trim().trim_start_matches('€').trim().replace(',', ".");
    let cents = text.split_once('.').map_or(0, |(_, cents)| cents.len());
    let price = text.parse().ok().filter(|price: &Decimal| price.is_sign_positive() && !price.is_zero());
    price.filter(|_| cents <= 2)
}

impl ProductForm {
    /// The details of an existing product.
    pub(super) fn of(item: &Item) -> Self {
        Self {
            name: item.name.clone(),
            description: item.description.clone(),
            price: format!("{:.2}", item.price),
            type_id: item.type_id.to_string(),
            brand_id: item.brand_id.to_string(),
            available_stock: item.available_stock.to_string(),
            reserved: item.reserved,
            restock_threshold: item.restock_threshold.to_string(),
            max_stock_threshold: item.max_stock_threshold.to_string(),
            version: item.version.to_string(),
            key: String::new(),
        }
    }

    /// The same form under a new key.
    pub(super) fn with_new_key(self) -> Self {
        Self { key: Uuid::new_v4().to_string(), ..self }
    }

    /// The details for the catalogue, or what is wrong with them. The catalogue checks the rest.
    pub(super) fn details(&self) -> Result<Details, String> {
        let number = |text: &str, name: &str| {
            let text = text.trim();
            let text = if text.is_empty() { "0" } else { text };
            text.parse::<i64>().map_err(|_not_whole| format!("{name} must be a whole number."))
        };
        let price =
            price(&self.price).ok_or_else(|| "The price must be an amount such as 12.50.".to_owned())?;
        Ok(Details {
            name: self.name.trim().to_owned(),
            // Browsers send line breaks as two characters.
            description: self.description.replace("\r\n", "\n"),
            price: price.to_string(),
            type_id: number(&self.type_id, "The type")?,
            brand_id: number(&self.brand_id, "The brand")?,
            available_stock: number(&self.available_stock, "The stock")?,
            restock_threshold: number(&self.restock_threshold, "The restock threshold")?,
            max_stock_threshold: number(&self.max_stock_threshold, "The most that fits")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_people_write_them() {
        for text in ["12.50", " 12,5 ", "€12.50"] {
            assert_eq!(price(text), "12.50".parse().ok(), "{text}");
        }
        for text in ["", "free", "0", "-1", "1.2.3", "1,000", "1.000", "10,000.00"] {
            assert_eq!(price(text), None, "{text}");
        }
    }
}
