//! The SQL of the products. Each change is one transaction with the events that tell of it.

use std::collections::HashMap;

use event_bus::outbox::AppendError;
use event_bus::{TraceContext, crash_point};
use service_kit::etag::IfMatch;
use service_kit::retry::retried;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, QueryBuilder, Row, Transaction};
use uuid::Uuid;

use super::model::MAX_STOCK;
use super::{Details, Filter, Price, Product, ProductEvent, ProductId, Stock, events};

/// A product after a change, and the ids of the events that were appended to the outbox, in order.
#[derive(Debug)]
pub struct Changed {
    /// The product as it is now.
    pub product: Product,
    /// No ids: nothing that other services need to know of has changed.
    pub event_ids: Vec<Uuid>,
}

/// Why a change was not made. What a caller did wrong is found before the first write; after any other error the
/// transaction must be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// There is no such product, or no longer.
    #[error("there is no product {0}")]
    NoSuchProduct(ProductId),
    /// The product is at another version than the caller expects.
    #[error("{0}")]
    OtherVersion(String),
    /// There is no such type of products.
    #[error("there is no such type")]
    NoSuchType,
    /// There is no such brand.
    #[error("there is no such brand")]
    NoSuchBrand,
    /// With what is reserved there would be more pieces than there can be.
    #[error("{reserved} pieces are reserved for orders: at most {most} can be available beside them")]
    TooMuchStock {
        /// The pieces that are reserved.
        reserved: i32,
        /// The most that can be available.
        most: i32,
    },
    /// An event of the change could not be appended to the outbox.
    #[error("the change could not be appended to the outbox")]
    Append(#[from] AppendError),
    /// The database refused a statement, or is unavailable.
    #[error("the change could not be written")]
    Database(#[from] sqlx::Error),
}

/// Sets a product's price and appends `product_price_changed` to the outbox, both in `tx`.
///
/// The price that the product has already changes nothing and appends nothing.
pub async fn change_price(
    tx: &mut Transaction<'_, Postgres>,
    id: ProductId,
    expected: &IfMatch,
    price: Price,
    trace: &TraceContext,
) -> Result<Changed, ProductError> {
    // The row lock comes before the append: it gives the events of a product the order of its versions.
    let mut product = lock(tx, id, expected).await?;
    let Some(event) = product.change_price(price) else {
        return Ok(Changed { product, event_ids: Vec::new() });
    };
    update(tx, &product).await?;
    crash_point!("catalog.before_log_row");
    let event_ids = events::append(tx, &[event], trace).await?;
    Ok(Changed { product, event_ids })
}

/// Sets the pieces of a product that can be sold, beside those that are reserved for orders.
pub async fn set_stock(
    tx: &mut Transaction<'_, Postgres>,
    id: ProductId,
    expected: &IfMatch,
    available: Stock,
) -> Result<Changed, ProductError> {
    let mut product = lock(tx, id, expected).await?;
    check_stock(&product, available)?;
    if product.set_stock(available).is_some() {
        update(tx, &product).await?;
    }
    Ok(Changed { product, event_ids: Vec::new() })
}

/// Replaces what a client decides of a product, and appends an event for each kind of change.
pub async fn replace(
    tx: &mut Transaction<'_, Postgres>,
    id: ProductId,
    expected: &IfMatch,
    details: &Details,
    trace: &TraceContext,
) -> Result<Changed, ProductError> {
    let mut product = lock(tx, id, expected).await?;
    check_type_and_brand(tx, details).await?;
    check_stock(&product, details.available_stock)?;
    let events = product.replace(details);
    if !events.is_empty() {
        update(tx, &product).await?;
    }
    let event_ids = events::append(tx, &events, trace).await?;
    Ok(Changed { product, event_ids })
}

/// Adds a product under the next id, and appends `product_added`.
pub async fn add(
    tx: &mut Transaction<'_, Postgres>,
    details: &Details,
    trace: &TraceContext,
) -> Result<Changed, ProductError> {
    check_type_and_brand(tx, details).await?;
    let id = sqlx::query_scalar("select nextval('product_product_id_seq')").fetch_one(&mut **tx).await?;
    insert(tx, Product::new(id, details), trace).await
}

/// Adds a product with an id that nobody else uses, and appends `product_added`.
pub(crate) async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    product: Product,
    trace: &TraceContext,
) -> Result<Changed, ProductError> {
    sqlx::query(
        "insert into product (product_id, version, name, description, price, product_type_id, product_brand_id,
                              available_stock, restock_threshold, max_stock_threshold)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(product.id)
    .bind(product.version)
    .bind(&product.name)
    .bind(&product.description)
    .bind(product.price)
    .bind(product.type_id)
    .bind(product.brand_id)
    .bind(product.available_stock)
    .bind(product.restock_threshold)
    .bind(product.max_stock_threshold)
    .execute(&mut **tx)
    .await?;
    let event_ids = events::append(tx, &[ProductEvent::Added(product.clone())], trace).await?;
    Ok(Changed { product, event_ids })
}

/// Removes a product, and appends `product_removed`; returns the event's id.
pub async fn remove(
    tx: &mut Transaction<'_, Postgres>,
    id: ProductId,
    expected: &IfMatch,
    trace: &TraceContext,
) -> Result<Vec<Uuid>, ProductError> {
    let product = lock(tx, id, expected).await?;
    sqlx::query("delete from product where product_id = $1").bind(id).execute(&mut **tx).await?;
    Ok(events::append(tx, &[product.remove()], trace).await?)
}

/// Reads a product and locks its row until the transaction ends.
async fn lock(tx: &mut PgConnection, id: ProductId, expected: &IfMatch) -> Result<Product, ProductError> {
    let product: Option<Product> = sqlx::query_as(
        "select product_id, name, description, price, product_type_id, product_brand_id,
                available_stock, reserved_stock, restock_threshold, max_stock_threshold, version
           from product where product_id = $1 for update",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    let product = product.ok_or(ProductError::NoSuchProduct(id))?;
    if expected.allows(product.version) {
        Ok(product)
    } else {
        Err(ProductError::OtherVersion(expected.refusal(product.version)))
    }
}

/// Writes a product whose row this transaction has locked.
async fn update(tx: &mut PgConnection, product: &Product) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update product
            set version = $2, name = $3, description = $4, price = $5, product_type_id = $6, product_brand_id = $7,
                available_stock = $8, restock_threshold = $9, max_stock_threshold = $10
          where product_id = $1",
    )
    .bind(product.id)
    .bind(product.version)
    .bind(&product.name)
    .bind(&product.description)
    .bind(product.price)
    .bind(product.type_id)
    .bind(product.brand_id)
    .bind(product.available_stock)
    .bind(product.restock_threshold)
    .bind(product.max_stock_threshold)
    .execute(tx)
    .await?;
    Ok(())
}

/// Leaves room for what is reserved: it becomes available again when its order is cancelled.
fn check_stock(product: &Product, available: Stock) -> Result<(), ProductError> {
    let reserved = product.reserved_stock;
    let most = MAX_STOCK - reserved;
    // Less than there is, is taken whatever is reserved.
    let is_more = i64::from(available) > i64::from(product.available_stock);
    if is_more && i64::from(available) > i64::from(most) {
        return Err(ProductError::TooMuchStock { reserved, most });
    }
    Ok(())
}

async fn check_type_and_brand(tx: &mut PgConnection, details: &Details) -> Result<(), ProductError> {
    let known: (bool, bool) = sqlx::query_as(
        "select exists (select from product_type where product_type_id = $1),
                exists (select from product_brand where product_brand_id = $2)",
    )
    .bind(details.type_id)
    .bind(details.brand_id)
    .fetch_one(tx)
    .await?;
    match known {
        (false, _) => Err(ProductError::NoSuchType),
        (_, false) => Err(ProductError::NoSuchBrand),
        (true, true) => Ok(()),
    }
}

/// Finds those of these products that exist.
pub async fn find_all(pool: PgPool, ids: Vec<ProductId>) -> Result<HashMap<ProductId, Product>, sqlx::Error> {
    let found: Vec<Product> = retried(|| async {
        sqlx::query_as(
            // `offset 0`: each by its key, also where the table is small enough for reading it whole to seem cheaper.
            "select product.* from unnest((select $1::bigint[])) as asked (id) cross join lateral (
            select product_id, name, description, price, product_type_id, product_brand_id,
                   available_stock, reserved_stock, restock_threshold, max_stock_threshold, version
              from product where product_id = asked.id offset 0) as product",
        )
        .bind(&ids)
        .fetch_all(&pool)
        .await
    })
    .await?;
    Ok(found.into_iter().map(|product| (product.id, product)).collect())
}

/// Finds a page of products, and counts all that the filter lets through, in one statement.
pub async fn list(pool: &PgPool, filter: &Filter) -> Result<(i64, Vec<Product>), sqlx::Error> {
    let rows = retried(|| async { page(filter).build().fetch_all(pool).await }).await?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get("count"))?;
    let mut products = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get::<Option<i64>, _>("product_id")?.is_some() {
            products.push(Product::from_row(row)?);
        }
    }
    Ok((count, products))
}

fn page(filter: &Filter) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "with page as (
             select product_id, name, description, price, product_type_id, product_brand_id,
                    available_stock, reserved_stock, restock_threshold, max_stock_threshold, version
               from product where true",
    );
    push_conditions(&mut query, filter);
    query.push(" order by product_id limit ").push_bind(filter.window().limit());
    query.push(" offset ").push_bind(filter.window().offset());
    // A page beyond the end has no products, but the count all the same: hence the outer join.
    query.push(") select total.count, page.* from (select count(*) from product where true");
    push_conditions(&mut query, filter);
    query.push(") as total left join page on true order by product_id");
    query
}

fn push_conditions(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(prefix) = &filter.name {
        // A range instead of `like`: nothing to escape, and a plan made for any prefix can use the
        // index. No name goes on with the last of all characters.
        query.push(" and lower(name) ~>=~ lower(").push_bind(prefix.0.clone());
        query.push(") and lower(name) ~<~ (lower(").push_bind(prefix.0.clone());
        query.push(") || chr(1114111))");
    }
    if let Some(id) = filter.type_id {
        query.push(" and product_type_id = ").push_bind(id);
    }
    if let Some(id) = filter.brand_id {
        query.push(" and product_brand_id = ").push_bind(id);
    }
    if let Some(ids) = &filter.ids {
        query.push(" and product_id = any(").push_bind(ids.0.clone()).push(")");
    }
}
