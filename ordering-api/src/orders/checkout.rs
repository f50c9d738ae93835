//! What a buyer sends to place an order.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::events::Item;
use super::model::{Address, Quantity, Token};
use crate::products::{Amount, ProductId};

/// The most lines of an order.
const MAX_LINES: usize = 50;

/// A checkout. The prices are the catalog's; the total says which ones the buyer has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkout {
    /// What is ordered: 1 to 50 different products.
    #[schema(min_items = 1, max_items = 50)]
    pub items: Vec<Wanted>,
    /// Where it goes.
    pub address: Address,
    /// How it is paid.
    pub payment: Payment,
    /// What the buyer expects to pay, in euro.
    pub expected_total: Amount,
}

/// How many pieces of which product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    /// The product's id in the catalog.
    pub product_id: ProductId,
    /// The pieces.
    pub quantity: Quantity,
}

/// How an order is paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The payment provider's name for what is charged.
    pub token: Token,
}

impl Checkout {
    /// Refuses with 400 what no order can be made of.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |detail: &str| Problem::validation(detail).at("#/items", detail);
        if self.items.is_empty() {
            return Err(wrong("an order needs at least one item"));
        }
        if self.items.len() > MAX_LINES {
            return Err(wrong(&format!("an order has at most {MAX_LINES} items, got {}", self.items.len())));
        }
        let mut seen = HashSet::new();
        if let Some(at) = self.items.iter().position(|item| !seen.insert(item.product_id)) {
            let detail = "the product is in the order already: send one item for each product";
            return Err(Problem::validation(detail).at(format!("#/items/{at}/productId"), detail));
        }
        Ok(())
    }

    /// What two requests have in common that mean the same: SHA-256 of the checkout as it was understood.
    pub fn fingerprint(&self) -> Result<Vec<u8>, Problem> {
        let text = serde_json::to_vec(self).map_err(|error| Problem::internal(&error))?;
        Ok(Sha256::digest(text).to_vec())
    }

    /// The items as other services are told of them.
    pub fn event_items(&self) -> Vec<Item> {
        let item = |wanted: &Wanted| Item { product_id: wanted.product_id, quantity: wanted.quantity };
        self.items.iter().map(item).collect()
    }
}
