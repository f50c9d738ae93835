//! A list, each part checked once, where it is read.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use service_kit::text::is_hidden;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::products::ProductId;

/// The most lists of a buyer.
pub const MAX_LISTS: i64 = 50;
/// The most products on a list.
pub const MAX_PRODUCTS: usize = 500;
/// The longest name.
const MAX_NAME: usize = 100;
/// The name of the first list.
const FIRST: &str = "Favourites";

/// A list's id.
pub type ListId = Uuid;

/// Why something is no list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not a name.
    #[error(
        "a list's name has 1 to {MAX_NAME} characters, not only spaces, and none that is invisible or turns text around"
    )]
    Name,
    /// Too many products.
    #[error("a list has at most {MAX_PRODUCTS} products, got {0}")]
    TooMany(usize),
    /// A product that is named twice.
    #[error("product {0} is named twice")]
    Twice(ProductId),
}

/// What a list is called, in one form whichever way it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "Favourites")]
pub struct ListName(String);

impl ListName {
    /// The name of a buyer's first list.
    pub fn first() -> Self {
        Self(FIRST.to_owned())
    }
}

impl TryFrom<String> for ListName {
    type Error = ListError;

    fn try_from(text: String) -> Result<Self, ListError> {
        // Also joiners: a lookalike of another list could hide behind them.
        let is_refused = |letter| is_hidden(letter) || matches!(letter, '\u{200c}' | '\u{200d}');
        let name: String = text.trim().nfc().collect();
        if (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(is_refused) {
            Ok(Self(name))
        } else {
            Err(ListError::Name)
        }
    }
}

/// The products on a list, in the buyer's order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "Vec<ProductId>")]
#[sqlx(transparent, no_pg_array)]
#[schema(value_type = Vec<i64>, max_items = 500, example = json!([1, 7]))]
pub struct ProductIds(Vec<ProductId>);

impl TryFrom<Vec<ProductId>> for ProductIds {
    type Error = ListError;

    fn try_from(ids: Vec<ProductId>) -> Result<Self, ListError> {
        if ids.len() > MAX_PRODUCTS {
            return Err(ListError::TooMany(ids.len()));
        }
        let mut seen = HashSet::new();
        match ids.iter().find(|id| !seen.insert(**id)) {
            Some(twice) => Err(ListError::Twice(*twice)),
            None => Ok(Self(ids)),
        }
    }
}

/// A list as its owner sees it, and as everybody does where it is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub list_id: ListId,
    /// What it is called.
    pub name: ListName,
    /// Whether everybody may see it.
    #[serde(rename = "public")]
    #[sqlx(rename = "is_public")]
    pub is_public: bool,
    /// What is on it.
    pub product_ids: ProductIds,
    /// Rises with every change; also the `ETag`.
    pub version: i64,
}

/// What a buyer wants a list to be.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedList {
    /// What it is called.
    pub name: ListName,
    /// Whether everybody may see it. Default: no.
    #[serde(rename = "public", default)]
    pub is_public: bool,
    /// What is on it. Default: nothing.
    #[serde(default)]
    pub product_ids: ProductIds,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_seen_and_in_one_form() {
        let name = |text: &str| ListName::try_from(text.to_owned()).map(|name| name.0);
        assert_eq!(name(" Cafe\u{301} <b> ").as_deref(), Ok("Café <b>"));
        assert_eq!(name(&"é".repeat(100)).map(|name| name.chars().count()), Ok(100));
        for bad in
            ["", "  ", "a\nb", "a\0", "\u{202e}abc", "a\u{200b}b", "a\u{200d}b", "\u{feff}", &"é".repeat(101)]
        {
            assert_eq!(name(bad), Err(ListError::Name), "{bad:?}");
        }
    }

    #[test]
    fn a_list_has_at_most_500_products_each_once() {
        let ids = |range: std::ops::RangeInclusive<i64>| {
            range.map(|id| ProductId::try_from(id).unwrap()).collect::<Vec<_>>()
        };
        assert!(ProductIds::try_from(ids(1..=500)).is_ok());
        assert_eq!(ProductIds::try_from(ids(1..=501)), Err(ListError::TooMany(501)));
        let twice = [ids(1..=3), ids(2..=2)].concat();
        assert_eq!(ProductIds::try_from(twice).unwrap_err().to_string(), "product 2 is named twice");
    }
}
