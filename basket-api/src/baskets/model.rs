//! A buyer, their basket, and what lies in it.

use rust_decimal::Decimal;
use serde::Serialize;
use service_kit::auth::BuyerId;

use crate::products::{Currency, PictureUrl, Price, ProductId, ProductName};

/// The most different products in one cart.
pub const MAX_LINES: i64 = 100;

service_kit::whole_number! {
    /// How many pieces of a product: 1 to 99.
    pub struct Quantity(i16) is "a quantity" from 1 to 99, for example 2;
}

/// A buyer's basket as they see it. A buyer who never put anything in has an empty one, version 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basket {
    /// Whose basket it is.
    pub buyer_id: BuyerId,
    /// What is in it, in the order in which it was put in.
    pub items: Vec<BasketItem>,
    /// What the available items cost together, with two decimal places; an item that is no longer
    /// available does not count.
    #[schema(value_type = String, pattern = r"^[0-9]+\.[0-9]{2}$", example = "25.00")]
    pub total: Decimal,
    /// The currency of all its prices.
    pub currency: Currency,
    /// Rises with every change of what is shown here; also the `ETag`.
    pub version: i64,
}

/// One product in a basket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasketItem {
    /// The product's id in the catalog.
    pub product_id: ProductId,
    /// What it is called now.
    pub product_name: ProductName,
    /// What one piece costs now.
    pub unit_price: Price,
    /// The price that the buyer last accepted, by adding the product or by acknowledging an alert;
    /// null while that is the present price.
    #[schema(value_type = Option<String>, pattern = r"^[0-9]{1,10}\.[0-9]{2}$", example = "10.00")]
    pub old_unit_price: Option<Price>,
    /// How many pieces.
    pub quantity: Quantity,
    /// Where its picture is.
    pub picture_url: PictureUrl,
    /// Whether it can still be bought; false once the catalog has removed it.
    pub available: bool,
}

impl Basket {
    /// The basket of a buyer with these items.
    pub fn new(buyer_id: BuyerId, items: Vec<BasketItem>, version: i64) -> Self {
        let cost = |item: &BasketItem| item.unit_price.amount() * Decimal::from(i64::from(item.quantity));
        let mut total: Decimal = items.iter().filter(|item| item.available).map(cost).sum();
        total.rescale(2);
        Self { buyer_id, items, total, currency: Currency::Eur, version }
    }

    /// The basket of a buyer who never put anything in.
    pub fn empty(buyer_id: BuyerId) -> Self {
        Self::new(buyer_id, Vec::new(), 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(price: &str, quantity: i64, available: bool) -> BasketItem {
        BasketItem {
            product_id: ProductId::try_from(1).unwrap(),
            product_name: ProductName::try_from("mug".to_owned()).unwrap(),
            unit_price: Price::try_from(price.parse::<Decimal>().unwrap()).unwrap(),
            old_unit_price: None,
            quantity: Quantity::try_from(quantity).unwrap(),
            picture_url: PictureUrl::try_from(String::new()).unwrap(),
            available,
        }
    }

    #[test]
    fn the_total_counts_what_can_be_bought_and_has_two_decimals() {
        let basket = |items| Basket::new("alice".parse().unwrap(), items, 1).total.to_string();
        assert_eq!(basket(vec![]), "0.00");
        assert_eq!(basket(vec![item("12.50", 2, true), item("0.1", 3, true)]), "25.30");
        assert_eq!(basket(vec![item("12.50", 2, true), item("7", 1, false)]), "25.00");
        let most = (0..MAX_LINES).map(|_| item("9999999999.99", 99, true)).collect();
        assert_eq!(basket(most), "98999999999901.00");
    }

    proptest! {
        #[test]
        fn a_quantity_is_from_1_to_99(pieces in any::<i64>()) {
            prop_assert_eq!(Quantity::try_from(pieces).is_ok(), (1..=99).contains(&pieces));
        }

        #[test]
        fn every_quantity_survives_the_wire(pieces in 1_i64..=99) {
            let quantity = Quantity::try_from(pieces).unwrap();
            prop_assert_eq!(serde_json::to_string(&quantity).unwrap(), pieces.to_string());
            prop_assert_eq!(serde_json::from_str::<Quantity>(&pieces.to_string()).unwrap(), quantity);
        }
    }
}
