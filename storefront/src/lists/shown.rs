//! A list with the names of its products.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::clients::{self, CatalogClient, ProductList};

/// The most products that are asked for at once.
const CHUNK: usize = 100;

/// The largest id that the catalogue is asked for.
const LARGEST: i64 = 999_999_999_999_999_999;

/// A list as a page shows it.
pub(super) struct Shown {
    pub(super) list: ProductList,
    /// The products by their ids. The name is empty where the catalogue does not sell it any more.
    pub(super) products: Vec<(i64, String)>,
}

impl Shown {
    /// Asks the catalogue for the names of the products on these lists, of at most `most` on each.
    pub(super) async fn all(
        catalog: &CatalogClient,
        lists: Vec<ProductList>,
        most: usize,
    ) -> clients::Result<Vec<Self>> {
        let mut ids: Vec<i64> =
            lists.iter().flat_map(|list| list.products.iter().take(most)).copied().collect();
        ids.retain(|id| *id <= LARGEST);
        ids.sort_unstable();
        ids.dedup();
        let names = try_join_all(ids.chunks(CHUNK).map(|ids| catalog.names(ids))).await?;
        let names: BTreeMap<i64, String> = names.into_iter().flatten().collect();
        let show = |list: ProductList| {
            let name = |id: &i64| (*id, names.get(id).cloned().unwrap_or_default());
            Self { products: list.products.iter().take(most).map(name).collect(), list }
        };
        Ok(lists.into_iter().map(show).collect())
    }

    /// How many products are on the list, in words.
    pub(super) fn size(&self) -> String {
        match self.list.products.len() {
            1 => "1 product".to_owned(),
            many => format!("{many} products"),
        }
    }

    /// How many of them are not shown.
    pub(super) fn hidden(&self) -> usize {
        self.list.products.len() - self.products.len()
    }
}
