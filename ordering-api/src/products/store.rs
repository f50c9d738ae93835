//! The projection's statements.
//!
//! Every write is guarded by the product's generation and version, so it may come in any order and more than once: the
//! row always ends as the newest of what was told. A removal is for good within its generation. Versions of another source
//! cannot be compared: its changes are taken as they come.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};

use super::{Price, ProductId};

/// What is to be known of a product before it can be ordered.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Offer {
    /// Which product.
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// Where its picture is.
    pub picture_url: String,
    /// What one piece costs.
    pub price: Price,
}

/// When something was told of a product, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The log that tells it.
    pub source: &'a str,
    /// Whether it is a change: that counts whatever another source has told. What is added or looked up does not.
    pub is_change: bool,
    /// The generation of the catalog's log.
    pub generation: i64,
    /// The product's version.
    pub version: i64,
}

/// Finds those of these products that are fully known and on sale.
pub async fn offers(
    connection: &mut PgConnection,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Offer>, sqlx::Error> {
    let offers: Vec<Offer> = sqlx::query_as(
        "select product_id, name, picture_url, price from product
          where product_id = any($1) and available and name is not null and price is not null",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(offers.into_iter().map(|offer| (offer.product_id, offer)).collect())
}

/// Finds those of these products that nothing, or not everything, is known of, in the order of their ids. A removed one is
/// known well enough.
pub async fn unknown(pool: &PgPool, ids: &[ProductId]) -> Result<Vec<ProductId>, sqlx::Error> {
    sqlx::query_scalar(
        "select wanted.product_id from unnest($1::bigint[]) as wanted (product_id)
           left join product using (product_id)
          where coalesce(available, true) and (name is null or price is null)
          order by wanted.product_id",
    )
    .bind(ids)
    .fetch_all(pool)
    .await
}

/// Sets a product's name and picture, where this is newer than what is known.
pub async fn set_details(
    connection: &mut PgConnection,
    id: ProductId,
    name: &str,
    picture_url: &str,
    at: At<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into product as known
             (product_id, name, picture_url, details_generation, details_version, details_source)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (product_id) do update set
             name = excluded.name, picture_url = excluded.picture_url, details_source = excluded.details_source,
             details_generation = excluded.details_generation, details_version = excluded.details_version,
             available = known.available or known.removed_generation < excluded.details_generation
         where $7 and known.details_source <> excluded.details_source
            or (known.details_generation, known.details_version)
             < (excluded.details_generation, excluded.details_version)",
    )
    .bind(id)
    .bind(name)
    .bind(picture_url)
    .bind(at.generation)
    .bind(at.version)
    .bind(at.source)
    .bind(at.is_change)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a product's price, where this is newer than what is known.
pub async fn set_price(
    connection: &mut PgConnection,
    id: ProductId,
    price: Price,
    at: At<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into product as known (product_id, price, price_generation, price_version, price_source)
         values ($1, $2, $3, $4, $5)
         on conflict (product_id) do update set
             price = excluded.price, price_source = excluded.price_source,
             price_generation = excluded.price_generation, price_version = excluded.price_version,
             available = known.available or known.removed_generation < excluded.price_generation
         where $6 and known.price_source <> excluded.price_source
            or (known.price_generation, known.price_version) < (excluded.price_generation, excluded.price_version)",
    )
    .bind(id)
    .bind(price)
    .bind(at.generation)
    .bind(at.version)
    .bind(at.source)
    .bind(at.is_change)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a product off sale, also one that is not known yet. A removal of an earlier generation than what is known changes
/// nothing: a restored catalog sells the product again.
pub async fn remove(connection: &mut PgConnection, id: ProductId, at: At<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into product as known (product_id, available, removed_generation) values ($1, false, $2)
         on conflict (product_id) do update set available = false, removed_generation = excluded.removed_generation
         where (known.available or known.removed_generation < excluded.removed_generation)
           and (known.price_source <> $3 or known.details_source <> $3
                or greatest(known.price_generation, known.details_generation) <= excluded.removed_generation)",
    )
    .bind(id)
    .bind(at.generation)
    .bind(at.source)
    .execute(connection)
    .await?;
    Ok(())
}
