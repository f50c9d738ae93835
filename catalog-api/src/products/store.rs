//! The SQL of single products.

use sqlx::{PgConnection, PgPool};

use super::{Item, ProductId};

/// Finds a product.
pub async fn find(pool: &PgPool, id: ProductId) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(
        "select product_id, name, description, price, product_type_id, product_brand_id,
                available_stock, restock_threshold, max_stock_threshold, version
           from product where product_id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
}

/// Finds a product and locks its row until the transaction ends.
pub(super) async fn lock(tx: &mut PgConnection, id: ProductId) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(
        "select product_id, name, description, price, product_type_id, product_brand_id,
                available_stock, restock_threshold, max_stock_threshold, version
           from product where product_id = $1 for update",
    )
    .bind(id)
    .fetch_optional(tx)
    .await
}

/// Takes an id for a new product; an id that is taken and not used is never given again.
pub(super) async fn next_id(tx: &mut PgConnection) -> Result<ProductId, sqlx::Error> {
    sqlx::query_scalar("select nextval('product_product_id_seq')").fetch_one(tx).await
}

/// Says which of a type and a brand there are.
pub(super) async fn known_type_and_brand(
    tx: &mut PgConnection,
    item: &super::Details,
) -> Result<(bool, bool), sqlx::Error> {
    sqlx::query_as(
        "select exists (select from product_type where product_type_id = $1),
                exists (select from product_brand where product_brand_id = $2)",
    )
    .bind(item.type_id)
    .bind(item.brand_id)
    .fetch_one(tx)
    .await
}

pub(super) async fn insert(tx: &mut PgConnection, item: &Item) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into product (product_id, name, description, price, product_type_id, product_brand_id,
                              available_stock, restock_threshold, max_stock_threshold, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(item.id)
    .bind(&item.name)
    .bind(&item.description)
    .bind(item.price)
    .bind(item.type_id)
    .bind(item.brand_id)
    .bind(item.available_stock)
    .bind(item.restock_threshold)
    .bind(item.max_stock_threshold)
    .bind(item.version)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut PgConnection, item: &Item) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update product
            set name = $2, description = $3, price = $4, product_type_id = $5, product_brand_id = $6,
                available_stock = $7, restock_threshold = $8, max_stock_threshold = $9, version = $10
          where product_id = $1",
    )
    .bind(item.id)
    .bind(&item.name)
    .bind(&item.description)
    .bind(item.price)
    .bind(item.type_id)
    .bind(item.brand_id)
    .bind(item.available_stock)
    .bind(item.restock_threshold)
    .bind(item.max_stock_threshold)
    .bind(item.version)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut PgConnection, id: ProductId) -> Result<(), sqlx::Error> {
    sqlx::query("delete from product where product_id = $1").bind(id).execute(tx).await?;
    Ok(())
}
