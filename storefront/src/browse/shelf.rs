//! Products, as they are shown.

use std::collections::BTreeMap;

use crate::backends::{Item, Named};
use crate::pages::Money;

/// A product on a shelf.
#[derive(Debug, Clone)]
pub struct Card {
    /// The product.
    pub item: Item,
    /// Its brand's name; empty where that is not known.
    pub brand: String,
    /// Its type's name; empty where that is not known.
    pub kind: String,
    /// Its price.
    pub price: Money,
}

/// The names of types and brands.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    types: BTreeMap<i64, String>,
    brands: BTreeMap<i64, String>,
}

/// So few pieces are worth a word.
const FEW: i64 = 5;

impl Labels {
    /// These types and brands.
    pub fn new(types: &[Named], brands: &[Named]) -> Self {
        let map = |named: &[Named]| named.iter().map(|named| (named.id, named.name.clone())).collect();
        Self { types: map(types), brands: map(brands) }
    }

    /// A product with the names of its type and brand.
    pub fn card(&self, item: Item) -> Card {
        let name = |names: &BTreeMap<i64, String>, id| names.get(&id).cloned().unwrap_or_default();
        Card {
            brand: name(&self.brands, item.brand_id),
            kind: name(&self.types, item.type_id),
            price: Money::new(item.price, &item.currency),
            item,
        }
    }
}

impl Card {
    /// The price as a form has it: `12.50`.
    pub fn amount(&self) -> String {
        format!("{:.2}", self.item.price)
    }

    /// How many there are, in words; empty where there are enough not to speak of it.
    pub fn stock(&self) -> String {
        match self.item.available_stock {
            count if count <= 0 => "Out of stock for now".to_owned(),
            count if count <= FEW => format!("Only {count} left"),
            _ => String::new(),
        }
    }
}
