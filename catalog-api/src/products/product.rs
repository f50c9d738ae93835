//! A product that changes: what may happen to it, and what is raised when it does.

use event_bus::outbox::AppendError;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{
    Details, Item, Price, ProductAdded, ProductChanged, ProductId, ProductPriceChanged, ProductRemoved, store,
};
use crate::unit_of_work::{Aggregate, Outbox};

/// What happened to a product, inside the catalog. Each has the product as it was just after it, with
/// a version of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductEvent {
    /// It came into the catalog.
    Added(Item),
    /// Its name, description, type or brand changed.
    Changed(Item),
    /// Its price changed, from this one.
    PriceChanged(Item, Price),
    /// Its stock figures changed. Of interest in this service alone.
    StockChanged(Item),
    /// It left the catalog.
    Removed(Item),
}

/// A product, read by a unit of work, with what has happened to it since.
#[derive(Debug)]
pub struct Product {
    item: Item,
    stage: Stage,
    events: Vec<ProductEvent>,
}

/// How the product and its row differ. The version is the row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no row yet.
    New,
    /// The row is as the product is.
    Stored { version: i64 },
    /// The row is older.
    Changed { since: i64 },
    /// The row has to go.
    Removed { since: i64 },
}

impl Product {
    /// A new product.
    pub fn new(id: ProductId, details: &Details) -> Self {
        let item = Item {
            id,
            name: details.name.clone(),
            description: details.description.clone(),
            price: details.price,
            type_id: details.type_id,
            brand_id: details.brand_id,
            available_stock: details.available_stock,
            restock_threshold: details.restock_threshold,
            max_stock_threshold: details.max_stock(),
            version: 1,
        };
        Self { events: vec![ProductEvent::Added(item.clone())], item, stage: Stage::New }
    }

    /// The product as it is now.
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// Sets the price. The price that it has already is no change.
    pub fn change_price(&mut self, price: Price) {
        let old = self.item.price;
        if old != price {
            self.item.price = price;
            self.raise(|item| ProductEvent::PriceChanged(item, old));
        }
    }

    /// Replaces everything that a client decides. Each kind of change is an event of its own, with a
    /// version of its own, so that a consumer can take one and not know the other.
    pub fn replace(&mut self, details: &Details) {
        let old = self.item.clone();
        let item = &mut self.item;
        item.name.clone_from(&details.name);
        item.description.clone_from(&details.description);
        item.type_id = details.type_id;
        item.brand_id = details.brand_id;
        if (&item.name, &item.description, item.type_id, item.brand_id)
            != (&old.name, &old.description, old.type_id, old.brand_id)
        {
            self.raise(ProductEvent::Changed);
        }
        let item = &mut self.item;
        item.available_stock = details.available_stock;
        item.restock_threshold = details.restock_threshold;
        item.max_stock_threshold = details.max_stock();
        if (item.available_stock, item.restock_threshold, item.max_stock_threshold)
            != (old.available_stock, old.restock_threshold, old.max_stock_threshold)
        {
            self.raise(ProductEvent::StockChanged);
        }
        self.change_price(details.price);
    }

    /// Takes the product out of the catalog, for good: its id is not given again.
    pub fn remove(&mut self) {
        self.raise(ProductEvent::Removed);
        if let Stage::Changed { since } = self.stage {
            self.stage = Stage::Removed { since };
        }
    }

    fn raise(&mut self, event: impl FnOnce(Item) -> ProductEvent) {
        self.item.version += 1;
        self.events.push(event(self.item.clone()));
        if let Stage::Stored { version } = self.stage {
            self.stage = Stage::Changed { since: version };
        }
    }
}

impl Aggregate for Product {
    type Id = ProductId;
    type Row = Item;
    type DomainEvent = ProductEvent;

    async fn lock(tx: &mut PgConnection, id: ProductId) -> Result<Option<Item>, sqlx::Error> {
        store::lock(tx, id).await
    }

    fn from_row(item: Item) -> Self {
        let stage = Stage::Stored { version: item.version };
        Self { item, stage, events: Vec::new() }
    }

    fn has_changed(&self) -> bool {
        !matches!(self.stage, Stage::Stored { .. })
    }

    fn write(&mut self, statement: &mut QueryBuilder<Postgres>) {
        match self.stage {
            Stage::New => store::insert(statement, &self.item),
            Stage::Stored { version: since } | Stage::Changed { since } => {
                store::update(statement, &self.item, since);
            }
            Stage::Removed { since } => return store::delete(statement, self.item.id, since),
        }
        self.stage = Stage::Stored { version: self.item.version };
    }

    fn take_events(&mut self) -> Vec<ProductEvent> {
        std::mem::take(&mut self.events)
    }

    fn announce(event: &ProductEvent, outbox: &mut Outbox<'_>) -> Result<(), AppendError> {
        match event {
            ProductEvent::Added(item) => outbox.append(&ProductAdded::new(item)),
            ProductEvent::Changed(item) => outbox.append(&ProductChanged::new(item)),
            ProductEvent::PriceChanged(item, old) => outbox.append(&ProductPriceChanged::new(item, *old)),
            ProductEvent::StockChanged(_) => Ok(()),
            ProductEvent::Removed(item) => outbox.append(&ProductRemoved::new(item)),
        }
    }
}
