//! A product, what may happen to it, and the domain events that say what did.

use sqlx::FromRow;

use super::{BrandId, Description, Details, Name, Price, ProductId, Stock, TypeId};

/// A product of the catalog, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Product {
    /// The product's id.
    #[sqlx(rename = "product_id")]
    pub id: ProductId,
    /// The name that buyers see.
    pub name: Name,
    /// A longer text about it.
    pub description: Description,
    /// The price of one piece, in euro.
    pub price: Price,
    /// Its type.
    #[sqlx(rename = "product_type_id")]
    pub type_id: TypeId,
    /// Its brand.
    #[sqlx(rename = "product_brand_id")]
    pub brand_id: BrandId,
    /// Pieces that can be sold.
    pub available_stock: Stock,
    /// Pieces reserved for orders; not among the available ones.
    pub reserved_stock: i32,
    /// Pieces at which more are ordered.
    pub restock_threshold: Stock,
    /// Pieces that the warehouse can hold.
    pub max_stock_threshold: Stock,
    /// Starts at 1 and rises with every domain event, and when stock is reserved, released or sold.
    pub version: i64,
}

/// A fact inside the catalog. Each carries the product as it was just after the event, with the version
/// that the event gave it.
///
/// `products/events.rs` says which of them other services are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductEvent {
    /// The product is new.
    Added(Product),
    /// Its name, description, type or brand changed.
    Changed(Product),
    /// Its price changed, from this one.
    PriceChanged(Product, Price),
    /// Its stock figures changed.
    StockChanged(Product),
    /// It left the catalog.
    Removed(Product),
}

impl Product {
    /// Makes a new product.
    pub fn new(id: ProductId, details: &Details) -> Self {
        Self {
            id,
            name: details.name.clone(),
            description: details.description.clone(),
            price: details.price,
            type_id: details.type_id,
            brand_id: details.brand_id,
            available_stock: details.available_stock,
            reserved_stock: 0,
            restock_threshold: details.restock_threshold,
            max_stock_threshold: details.max_stock(),
            version: 1,
        }
    }

    /// Sets the price. `None`: the product had it already.
    pub fn change_price(&mut self, price: Price) -> Option<ProductEvent> {
        let old = self.price;
        if old == price {
            return None;
        }
        self.price = price;
        self.version += 1;
        Some(ProductEvent::PriceChanged(self.clone(), old))
    }

    /// Replaces everything that a client decides. Each kind of change is an event with a version of its
    /// own, so a consumer can take one kind and ignore the others.
    pub fn replace(&mut self, details: &Details) -> Vec<ProductEvent> {
        let wanted = Self::new(self.id, details);
        let mut events = Vec::new();
        let looks = |product: &Self| {
            (product.name.clone(), product.description.clone(), product.type_id, product.brand_id)
        };
        if looks(self) != looks(&wanted) {
            (self.name, self.description, self.type_id, self.brand_id) = looks(&wanted);
            self.version += 1;
            events.push(ProductEvent::Changed(self.clone()));
        }
        let stock = |product: &Self| {
            (product.available_stock, product.restock_threshold, product.max_stock_threshold)
        };
        if stock(self) != stock(&wanted) {
            (self.available_stock, self.restock_threshold, self.max_stock_threshold) = stock(&wanted);
            self.version += 1;
            events.push(ProductEvent::StockChanged(self.clone()));
        }
        events.extend(self.change_price(wanted.price));
        events
    }

    /// Sets the pieces that can be sold. `None`: there were as many already.
    pub fn set_stock(&mut self, available: Stock) -> Option<ProductEvent> {
        if self.available_stock == available {
            return None;
        }
        self.available_stock = available;
        self.version += 1;
        Some(ProductEvent::StockChanged(self.clone()))
    }

    /// Takes the product out of the catalog for good: its id is never used again.
    pub fn remove(mut self) -> ProductEvent {
        self.version += 1;
        ProductEvent::Removed(self)
    }
}
