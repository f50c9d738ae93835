//! The projection's statements.
//!
//! Every write is guarded by the product's generation and version, so it may come in any order and more than once: the
//! row always ends as the newest of what was told. A removal is for good within its generation. Versions of another source
//! cannot be compared: its changes are taken as they come. All take the product rows in the order of their ids and leave
//! them locked until the transaction ends.

use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

use super::{Currency, PictureUrl, Price, ProductId, ProductName};
use crate::CATALOG;

/// A product as the catalog had it at one version.
#[derive(Debug, Clone)]
pub struct ProductFacts {
    /// Which product.
    pub id: ProductId,
    /// Its name at that version.
    pub name: ProductName,
    /// Its picture at that version.
    pub picture_url: PictureUrl,
    /// Its price at that version.
    pub price: Price,
    /// The price's currency.
    pub currency: Currency,
    /// The generation of the catalog's log.
    pub generation: i64,
    /// The version.
    pub version: i64,
}

/// A product's new price, as one event announced it.
#[derive(Debug, Clone)]
pub struct PriceChange {
    /// The announcing event.
    pub event_id: Uuid,
    /// Which product.
    pub product_id: ProductId,
    /// What it is called.
    pub product_name: ProductName,
    /// What it cost.
    pub old_price: Price,
    /// What it costs.
    pub new_price: Price,
    /// The new price's currency.
    pub currency: Currency,
    /// The generation of the catalog's log.
    pub generation: i64,
    /// The product's version since.
    pub version: i64,
    /// The step of the trace that tells of it, where the trace is recorded.
    pub traceparent: Option<String>,
}

/// A product's new name or picture.
#[derive(Debug, Clone)]
pub struct DetailsChange {
    /// Which product.
    pub product_id: ProductId,
    /// What it is called now.
    pub name: ProductName,
    /// Where its picture is now.
    pub picture_url: PictureUrl,
    /// The generation of the catalog's log.
    pub generation: i64,
    /// The product's version since.
    pub version: i64,
}

/// A product that was known and is now as it was added: a restored catalog uses an id again.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Replaced {
    /// Which product.
    pub product_id: ProductId,
    /// What it cost, if it costs something else now.
    pub old_price: Option<Price>,
}

/// A product that was taken off sale.
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    /// Which product.
    pub product_id: ProductId,
    /// The generation of the catalog's log.
    pub generation: i64,
}

/// Where a product's price comes from: changes of the same source that are older are in it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PriceOrigin {
    /// Who told it.
    pub price_source: String,
    /// The generation of the source's log.
    pub price_generation: i64,
    /// The product's version.
    pub price_version: i64,
}

/// What is to be known before a product may be put into a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// On sale at this price.
    OnSale(Price, PriceOrigin),
    /// Taken from the catalog.
    Removed,
    /// Not told of yet, or not all of it: the catalog has to be asked.
    Unknown,
}

/// Reads what a product costs, and keeps its price from changing until the transaction ends.
pub async fn lock_offer(tx: &mut PgConnection, id: ProductId) -> Result<Offer, sqlx::Error> {
    let row = sqlx::query(
        "select price, price_source, price_generation, price_version, name is not null as is_named, available
           from product where product_id = $1 for share",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(Offer::Unknown) };
    if !row.try_get::<bool, _>("available")? {
        return Ok(Offer::Removed);
    }
    Ok(match row.try_get("price")? {
        Some(price) if row.try_get("is_named")? => Offer::OnSale(price, PriceOrigin::from_row(&row)?),
        _ => Offer::Unknown,
    })
}

/// Stores products that were added to the catalog, and returns those that were known and were replaced.
///
/// A product may be told of before its addition is (see the table's comment): only what is newer than
/// the row is taken, and a product that was removed in the same generation stays removed.
pub async fn add(
    tx: &mut PgConnection,
    source: &str,
    products: &[ProductFacts],
) -> Result<Vec<Replaced>, sqlx::Error> {
    // The subquery sees the row as it was before the statement.
    sqlx::query_as(
        "with added as (
         insert into product as known
             (product_id, name, picture_url, details_source, details_generation, details_version,
              price, currency, price_source, price_generation, price_version)
         select distinct on (product_id) product_id, name, picture_url, $8, generation, version,
                price, currency, $8, generation, version
         from unnest($1::bigint[], $2::text[], $3::text[], $4::numeric[], $5::text[], $6::bigint[], $7::bigint[])
              as added (product_id, name, picture_url, price, currency, generation, version)
         order by product_id, generation desc, version desc
         on conflict (product_id) do update set
             (name, picture_url, details_source, details_generation, details_version) = (
                 select excluded.name, excluded.picture_url,
                        $8, excluded.details_generation, excluded.details_version
                  where (known.details_generation, known.details_version)
                      < (excluded.details_generation, excluded.details_version)
                 union all
                 select known.name, known.picture_url,
                        known.details_source, known.details_generation, known.details_version
                 limit 1),
             (price, currency, price_source, price_generation, price_version) = (
                 select excluded.price, excluded.currency,
                        $8, excluded.price_generation, excluded.price_version
                  where (known.price_generation, known.price_version)
                      < (excluded.price_generation, excluded.price_version)
                 union all
                 select known.price, known.currency,
                        known.price_source, known.price_generation, known.price_version
                 limit 1),
             available = known.available or known.removed_generation < excluded.details_generation
         where (known.details_generation, known.details_version)
             < (excluded.details_generation, excluded.details_version)
            or (known.price_generation, known.price_version) < (excluded.price_generation, excluded.price_version)
         returning product_id, price)
         select product_id, nullif(before.price, added.price) as old_price from added join product as before using (product_id)",
    )
    .bind(column(products, |product| product.id))
    .bind(column(products, |product| product.name.clone()))
    .bind(column(products, |product| product.picture_url.clone()))
    .bind(column(products, |product| product.price))
    .bind(column(products, |product| product.currency.code()))
    .bind(column(products, |product| product.generation))
    .bind(column(products, |product| product.version))
    .bind(source)
    .fetch_all(tx)
    .await
}

/// Sets the products' prices, where a change is newer than what is known.
///
/// A product that is not known yet is entered with what the change tells: an addition that comes late
/// then cannot bring the old price back.
pub async fn change_prices(
    tx: &mut PgConnection,
    source: &str,
    changes: &[PriceChange],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with newest as (
             select distinct on (product_id) product_id, price, currency, generation, version
             from unnest($1::bigint[], $2::numeric[], $3::text[], $4::bigint[], $5::bigint[])
                  as change (product_id, price, currency, generation, version)
             order by product_id, generation desc, version desc
         )
         insert into product as known (product_id, price, currency, price_source, price_generation, price_version)
         select product_id, price, currency, $6, generation, version from newest order by product_id
         on conflict (product_id) do update set
             price = excluded.price, currency = excluded.currency, price_source = $6,
             price_generation = excluded.price_generation, price_version = excluded.price_version,
             available = known.available or known.removed_generation < excluded.price_generation
         where known.price_source <> $6
            or (known.price_generation, known.price_version) < (excluded.price_generation, excluded.price_version)",
    )
    .bind(column(changes, |change| change.product_id))
    .bind(column(changes, |change| change.new_price))
    .bind(column(changes, |change| change.currency.code()))
    .bind(column(changes, |change| change.generation))
    .bind(column(changes, |change| change.version))
    .bind(source)
    .execute(tx)
    .await?;
    Ok(())
}

/// Sets the products' names and pictures, where a change is newer than what is known, and returns
/// those products.
pub async fn change_details(
    tx: &mut PgConnection,
    source: &str,
    changes: &[DetailsChange],
) -> Result<Vec<ProductId>, sqlx::Error> {
    sqlx::query_scalar(
        "insert into product as known (product_id, name, picture_url,
                                       details_source, details_generation, details_version)
         select distinct on (product_id) product_id, name, picture_url, $6, generation, version
         from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
              as change (product_id, name, picture_url, generation, version)
         order by product_id, generation desc, version desc
         on conflict (product_id) do update set
             name = excluded.name, picture_url = excluded.picture_url, details_source = $6,
             details_generation = excluded.details_generation, details_version = excluded.details_version,
             available = known.available or known.removed_generation < excluded.details_generation
         where known.details_source <> $6
            or (known.details_generation, known.details_version)
             < (excluded.details_generation, excluded.details_version)
         returning product_id",
    )
    .bind(column(changes, |change| change.product_id))
    .bind(column(changes, |change| change.name.clone()))
    .bind(column(changes, |change| change.picture_url.clone()))
    .bind(column(changes, |change| change.generation))
    .bind(column(changes, |change| change.version))
    .bind(source)
    .fetch_all(tx)
    .await
}

/// Takes the products off sale, also those not known yet, and returns those that were on sale. A removal of an earlier
/// generation than what is known changes nothing: a restored catalog sells the product again.
pub async fn remove(
    tx: &mut PgConnection,
    source: &str,
    removals: &[Removal],
) -> Result<Vec<ProductId>, sqlx::Error> {
    sqlx::query_scalar(
        "with removed as (
         insert into product as known (product_id, available, removed_generation)
         select product_id, false, max(generation) from unnest($1::bigint[], $2::bigint[]) as removal (product_id, generation)
         group by product_id order by product_id
         on conflict (product_id) do update set available = false, removed_generation = excluded.removed_generation
         where (known.available or known.removed_generation < excluded.removed_generation)
           and (known.price_source <> $3 or known.details_source <> $3
                or greatest(known.price_generation, known.details_generation) <= excluded.removed_generation)
         returning product_id)
         select product_id from removed left join product as before using (product_id)
          where before.available is not false",
    )
    .bind(column(removals, |removal| removal.product_id))
    .bind(column(removals, |removal| removal.generation))
    .bind(source)
    .fetch_all(tx)
    .await
}

/// Stores what the catalog answered about a product that was not fully known, and says whether it was
/// needed: meanwhile events may have told the rest.
///
/// A fully known product is left alone, for it may lie in carts already: its price may only be changed
/// by the event that also changes theirs.
pub async fn complete(tx: &mut PgConnection, product: &ProductFacts) -> Result<bool, sqlx::Error> {
    // The row is locked before the question is asked: an event may be about to answer it.
    sqlx::query("insert into product (product_id) values ($1) on conflict do nothing")
        .bind(product.id)
        .execute(&mut *tx)
        .await?;
    let is_complete: bool = sqlx::query_scalar(
        "select not available or (name is not null and price is not null)
         from product where product_id = $1 for update",
    )
    .bind(product.id)
    .fetch_one(&mut *tx)
    .await?;
    if is_complete {
        return Ok(false);
    }
    add(tx, CATALOG, std::slice::from_ref(product)).await?;
    Ok(true)
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
