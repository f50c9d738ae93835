//! A page of products with its filter, for the catalogue and for merchants.

use super::FilterForm;
use super::filter::{Choice, Pager};
use super::product_card::{Labels, ProductCard};
use crate::clients::{CatalogClient, ClientError};

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
    /// Reads a page of `size` products. `base` is the path that the links of the filter lead to.
    pub(crate) async fn read(
        catalog: &CatalogClient,
        form: &FilterForm,
        base: &str,
        size: u8,
    ) -> Result<Self, ClientError> {
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
