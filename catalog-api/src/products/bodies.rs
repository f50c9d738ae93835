//! The JSON bodies that clients send and get.

use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use utoipa::ToSchema;

use super::model::CURRENCY;
use super::{BrandId, Description, Name, Price, Product, ProductId, Stock, TypeId};

/// Everything of a product that a client decides.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Details {
    /// The name, on one line.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"\S", example = "Tarn 2 trekking tent")]
    pub name: Name,
    /// The description.
    #[serde(default)]
    #[schema(value_type = String, max_length = 4000)]
    pub description: Description,
    /// The price of one piece, in euro: a string or an exact number, in whole cents.
    #[schema(value_type = String, pattern = r"^\d{1,7}(\.\d{1,2})?$", example = "12.50")]
    pub price: Price,
    /// One of the types of `GET /catalogtypes`.
    #[schema(value_type = i32, minimum = 1)]
    pub type_id: TypeId,
    /// One of the brands of `GET /catalogbrands`.
    #[schema(value_type = i32, minimum = 1)]
    pub brand_id: BrandId,
    /// Pieces that can be sold.
    #[serde(default)]
    #[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
    pub available_stock: Stock,
    /// Stock at which more pieces are ordered.
    #[serde(default)]
    #[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
    pub restock_threshold: Stock,
    /// Pieces that the warehouse can hold; not below `restockThreshold`, which is also the default.
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 1_000_000)]
    pub max_stock_threshold: Option<Stock>,
}

impl Details {
    /// Pieces that the warehouse can hold.
    pub fn max_stock(&self) -> Stock {
        self.max_stock_threshold.unwrap_or(self.restock_threshold)
    }

    /// Refuses with 400 fields that contradict each other.
    pub fn check(&self) -> Result<(), Problem> {
        if self.max_stock() < self.restock_threshold {
            let detail = "maxStockThreshold must not be below restockThreshold";
            return Err(Problem::validation(detail).at("#/maxStockThreshold", detail));
        }
        Ok(())
    }
}

/// A new price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceChange {
    /// The new price of one piece, in euro: a string or an exact number, in whole cents.
    #[schema(value_type = String, pattern = r"^\d{1,7}(\.\d{1,2})?$", example = "12.50")]
    pub price: Price,
}

/// A new number of pieces that can be sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StockChange {
    /// Pieces that can be sold, beside those that are reserved for orders.
    #[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
    pub available_stock: Stock,
}

/// A product, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Item)]
pub struct ItemBody {
    /// The product's id.
    #[schema(value_type = i64, minimum = 1)]
    id: ProductId,
    /// The name.
    name: String,
    /// The description.
    description: String,
    /// The price of one piece, with two decimals.
    #[schema(value_type = String, pattern = r"^\d{1,7}\.\d{2}$", example = "12.50")]
    price: Price,
    /// The currency of the price.
    #[schema(example = "EUR")]
    currency: &'static str,
    /// The id of its type.
    #[schema(value_type = i32)]
    type_id: TypeId,
    /// The id of its brand.
    #[schema(value_type = i32)]
    brand_id: BrandId,
    /// Pieces that can be sold.
    #[schema(value_type = i32)]
    available_stock: Stock,
    /// Pieces that are reserved for orders.
    #[schema(minimum = 0)]
    reserved: i32,
    /// Stock at which more pieces are ordered.
    #[schema(value_type = i32)]
    restock_threshold: Stock,
    /// Pieces that the warehouse can hold.
    #[schema(value_type = i32)]
    max_stock_threshold: Stock,
    /// The path of its picture.
    #[schema(example = "/api/v1/catalog/items/7/pic")]
    picture_url: String,
    /// Rises with every change; the number in the entity tag.
    #[schema(minimum = 1)]
    version: i64,
}

impl From<&Product> for ItemBody {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id,
            name: product.name.as_str().to_owned(),
            description: product.description.as_str().to_owned(),
            price: product.price,
            currency: CURRENCY,
            type_id: product.type_id,
            brand_id: product.brand_id,
            available_stock: product.available_stock,
            reserved: product.reserved_stock,
            restock_threshold: product.restock_threshold,
            max_stock_threshold: product.max_stock_threshold,
            picture_url: product.id.picture_url(),
            version: product.version,
        }
    }
}
