//! A page of products with its filter, for the catalogue and for merchants.

use std::collections::BTreeMap;

use reqwest::StatusCode;

use super::filter::{Choice, FilterForm, Pager};
use crate::clients::{self, CatalogClient, Item, Named};
use crate::pages::Money;

/// A page of products, and the choices of its filter.
pub(crate) struct Listing {
    pub(crate) cards: Vec<ProductCard>,
    /// Products on all pages.
    pub(crate) count: u64,
    pub(crate) types: Vec<Choice>,
    pub(crate) brands: Vec<Choice>,
    pub(crate) pager: Pager,
}

impl Listing {
    /// Reads a page of `size` products. `base` is the path that the links of the filter lead to. A filter that the
    /// catalogue refuses is cleared: a link should show something.
    pub(crate) async fn read(
        catalog: &CatalogClient,
        form: &mut FilterForm,
        base: &str,
        size: u8,
    ) -> clients::Result<Self> {
        match Self::filtered(catalog, form, base, size).await {
            Err(error) if error.is(StatusCode::BAD_REQUEST) => {
                *form = FilterForm::default();
                Self::filtered(catalog, form, base, size).await
            }
            listing => listing,
        }
    }

    async fn filtered(
        catalog: &CatalogClient,
        form: &FilterForm,
        base: &str,
        size: u8,
    ) -> clients::Result<Self> {
        let filter = form.filter();
        let (page, types, brands) = tokio::try_join!(
            catalog.list(&filter, form.page() - 1, size),
            catalog.types(),
            catalog.brands()
        )?;
        let labels = Labels::new(&types, &brands);
        Ok(Self {
            pager: form.pager(base, page.count, size),
            count: page.count,
            cards: page.data.into_iter().map(|item| labels.card(item)).collect(),
            types: form.types(base, &types),
            brands: form.brands(base, &brands),
        })
    }
}

/// A product with the names of its brand and its type; a name is empty where it is unknown.
pub(crate) struct ProductCard {
    pub(crate) item: Item,
    pub(crate) brand: String,
    pub(crate) kind: String,
    pub(crate) price: Money,
}

/// The names of types and brands.
pub(super) struct Labels {
    types: BTreeMap<i64, String>,
    brands: BTreeMap<i64, String>,
}

/// A stock up to this size is shown.
const FEW: i64 = 5;

impl Labels {
    pub(super) fn new(types: &[Named], brands: &[Named]) -> Self {
        let map = |named: &[Named]| named.iter().map(|named| (named.id, named.name.clone())).collect();
        Self { types: map(types), brands: map(brands) }
    }

    pub(super) fn card(&self, item: Item) -> ProductCard {
        let name = |names: &BTreeMap<i64, String>, id| names.get(&id).cloned().unwrap_or_default();
        ProductCard {
            brand: name(&self.brands, item.brand_id),
            kind: name(&self.types, item.type_id),
            price: Money::new(item.price, &item.currency),
            item,
        }
    }
}

impl ProductCard {
    /// The price as a form has it: `12.50`.
    pub(crate) fn amount(&self) -> String {
        format!("{:.2}", self.item.price)
    }

    /// The stock in words; empty where there are enough pieces.
    pub(crate) fn stock(&self) -> String {
        match self.item.available_stock {
            count if count <= 0 => "Out of stock for now".to_owned(),
            count if count <= FEW => format!("Only {count} left"),
            _ => String::new(),
        }
    }
}
