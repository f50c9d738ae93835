//! The SQL of single products.

use std::collections::HashMap;

use service_kit::statements::Statements;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Item, ProductId};

macro_rules! find {
    ($which:literal) => {
        concat!(
            "select product_id, name, description, price, product_type_id, product_brand_id,
                    available_stock, restock_threshold, max_stock_threshold, version
               from product where product_id = ",
            $which
        )
    };
}

/// Finds those of some products that there are.
pub async fn find_all(
    statements: Statements,
    ids: Vec<ProductId>,
) -> Result<HashMap<ProductId, Item>, sqlx::Error> {
    // `offset 0`: each by its key, also where the table is small enough for reading it whole to seem cheaper.
    let statement = concat!(
        "select product.* from unnest($1::bigint[]) as asked (id) cross join lateral (",
        find!("asked.id offset 0"),
        ") as product"
    );
    let mut connection = statements.connection().await?;
    let found: Vec<Item> = sqlx::query_as(statement).bind(ids).fetch_all(&mut *connection).await?;
    connection.hand_back();
    Ok(found.into_iter().map(|item| (item.id, item)).collect())
}

/// Finds a product that nobody else changes until the transaction ends.
pub(super) async fn lock(tx: &mut PgConnection, id: ProductId) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(find!("$1 for update")).bind(id).fetch_optional(tx).await
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

pub(super) fn insert(statement: &mut QueryBuilder<Postgres>, item: &Item) {
    statement.push(
        "insert into product (product_id, version, name, description, price, product_type_id, product_brand_id,
                              available_stock, restock_threshold, max_stock_threshold) values (",
    );
    let mut values = statement.separated(", ");
    values.push_bind(item.id).push_bind(item.version);
    values.push_bind(&item.name).push_bind(&item.description).push_bind(item.price);
    values.push_bind(item.type_id).push_bind(item.brand_id);
    values.push_bind(item.available_stock).push_bind(item.restock_threshold);
    values.push_bind(item.max_stock_threshold);
    statement.push(")");
}

/// Finds the row only while it is at version `since`.
pub(super) fn update(statement: &mut QueryBuilder<Postgres>, item: &Item, since: i64) {
    statement.push("update product set version = ").push_bind(item.version);
    statement.push(", name = ").push_bind(&item.name);
    statement.push(", description = ").push_bind(&item.description);
    statement.push(", price = ").push_bind(item.price);
    statement.push(", product_type_id = ").push_bind(item.type_id);
    statement.push(", product_brand_id = ").push_bind(item.brand_id);
    statement.push(", available_stock = ").push_bind(item.available_stock);
    statement.push(", restock_threshold = ").push_bind(item.restock_threshold);
    statement.push(", max_stock_threshold = ").push_bind(item.max_stock_threshold);
    push_at(statement, item.id, since);
}

/// Finds the row only while it is at version `since`.
pub(super) fn delete(statement: &mut QueryBuilder<Postgres>, id: ProductId, since: i64) {
    statement.push("delete from product");
    push_at(statement, id, since);
}

fn push_at(statement: &mut QueryBuilder<Postgres>, id: ProductId, version: i64) {
    statement.push(" where product_id = ").push_bind(id);
    statement.push(" and version = ").push_bind(version);
}
