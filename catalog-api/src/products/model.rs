//! The ids, the price and the figures of a product. Each value is checked once, where it is read.

use super::BASE;

/// The currency of every price.
pub(super) const CURRENCY: &str = "EUR";

service_kit::money! {
    /// An amount that a customer can be charged for one piece: at most 9,999,999.99.
    pub struct Price is "a price" up to 999_999_999 cents;
}

service_kit::whole_number! {
    /// The id of a product.
    pub struct ProductId(i64) is "a product id" from 1, for example 7;
}

service_kit::whole_number! {
    /// The id of a type.
    pub struct TypeId(i32) is "a type id" from 1 to 2_147_483_647, for example 1;
}

service_kit::whole_number! {
    /// The id of a brand.
    pub struct BrandId(i32) is "a brand id" from 1 to 2_147_483_647, for example 1;
}

/// The most pieces of a product, available and reserved together: what is reserved may become available again. It is the
/// highest [`Stock`].
pub(super) const MAX_STOCK: i32 = 1_000_000;

service_kit::whole_number! {
    /// A number of pieces, from 0 to 1,000,000.
    #[derive(Default)]
    pub struct Stock(i32) is "a stock figure" from 0 to 1_000_000, for example 7;
}

impl ProductId {
    /// The path of the product's picture.
    pub fn picture_url(self) -> String {
        format!("{BASE}/items/{self}/pic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_stock_figure_is_the_most_pieces_of_a_product() {
        let most = i64::from(MAX_STOCK);
        assert!(Stock::try_from(most).is_ok());
        assert!(Stock::try_from(most + 1).is_err());
    }
}
