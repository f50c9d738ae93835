//! The SQL of reservations. What a reservation takes from a product's available stock it gives to the reserved stock, in
//! one statement: no piece is in two places.

use std::collections::BTreeMap;

use event_bus::outbox;
use event_bus::{TraceContext, crash_point};
use serde::{Deserialize, Serialize};
use service_kit::change::ChangeError;
use sqlx::{PgConnection, Postgres, Transaction};
use utoipa::ToSchema;

use super::events::{Shortage, StockRejected, StockReserved};
use super::model::{Item, OrderId, by_product};
use crate::products::ProductId;

/// Where an order's stock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = ReservationState)]
pub(super) enum State {
    /// Taken from what is available.
    Reserved,
    /// There was too little.
    Rejected,
    /// Available again, or never reserved.
    Released,
    /// Gone.
    Sold,
}

/// Reserves all of an order's stock or nothing, once for each order, and appends the answer.
///
/// Who asks again is told again what is reserved, or was and is sold: ordering, restored from a backup, has forgotten the
/// answer. An order that was rejected gets no second answer: ordering cancels it when its reply deadline is over. An order
/// whose stock was released gets none either: it was cancelled.
pub(super) async fn reserve(
    tx: &mut Transaction<'_, Postgres>,
    order: OrderId,
    items: &[Item],
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    // Of repeats, and of a release that came earlier, one has the row; too little stock makes it `Rejected` below.
    if !claim(tx, order, State::Reserved).await? {
        if let State::Reserved | State::Sold = lock(tx, order).await? {
            let items = lines(tx, order).await?;
            append_reserved(tx, order, items, trace).await?;
        }
        return Ok(());
    }
    if event_bus::without!("reservation") {
        return append_reserved(tx, order, items.to_vec(), trace).await;
    }
    let wanted = by_product(items);
    let shortages = shortages(tx, &wanted).await?;
    if !shortages.is_empty() {
        set_state(tx, order, State::Rejected).await?;
        let rejected = StockRejected { order_id: order, items: shortages };
        outbox::append_traced(tx, &rejected, trace).await?;
        return Ok(());
    }
    let (products, pieces): (Vec<ProductId>, Vec<i32>) = wanted.into_iter().unzip();
    sqlx::query(
        "with line as (
             insert into reservation_line (order_id, product_id, quantity)
             select $1, * from unnest($2::bigint[], $3::integer[]) returning product_id, quantity
         )
         update product
            set available_stock = available_stock - line.quantity, reserved_stock = reserved_stock + line.quantity,
                version = version + 1
           from line where product.product_id = line.product_id",
    )
    .bind(order)
    .bind(&products)
    .bind(&pieces)
    .execute(&mut **tx)
    .await?;
    append_reserved(tx, order, items.to_vec(), trace).await?;
    crash_point!("catalog.stock_reserved");
    Ok(())
}

async fn append_reserved(
    tx: &mut Transaction<'_, Postgres>,
    order: OrderId,
    items: Vec<Item>,
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    outbox::append_traced(tx, &StockReserved { order_id: order, items }, trace).await?;
    Ok(())
}

/// Makes an order's stock available again; once, whatever state it is in.
pub(super) async fn release(tx: &mut PgConnection, order: OrderId) -> Result<(), sqlx::Error> {
    if claim(tx, order, State::Released).await? {
        tracing::debug!(order.id = %order, "released before it was reserved");
        return Ok(());
    }
    match lock(tx, order).await? {
        State::Reserved => {}
        State::Rejected | State::Released => return Ok(()),
        State::Sold => {
            tracing::warn!(order.id = %order, "what is sold cannot be released");
            return Ok(());
        }
    }
    lock_products_of(tx, order).await?;
    sqlx::query(
        "update product
            set available_stock = available_stock + line.quantity, reserved_stock = reserved_stock - line.quantity,
                version = version + 1
           from reservation_line as line where line.order_id = $1 and product.product_id = line.product_id",
    )
    .bind(order)
    .execute(&mut *tx)
    .await?;
    set_state(tx, order, State::Released).await
}

/// Takes what is reserved for an order out of the stock; `false` if nothing is.
pub(super) async fn sell(tx: &mut PgConnection, order: OrderId) -> Result<bool, sqlx::Error> {
    match find_and_lock(tx, order).await? {
        Some(State::Reserved) => {}
        Some(State::Sold) => return Ok(true),
        Some(State::Rejected | State::Released) | None => return Ok(false),
    }
    lock_products_of(tx, order).await?;
    sqlx::query(
        "update product set reserved_stock = reserved_stock - line.quantity, version = version + 1
           from reservation_line as line where line.order_id = $1 and product.product_id = line.product_id",
    )
    .bind(order)
    .execute(&mut *tx)
    .await?;
    set_state(tx, order, State::Sold).await?;
    Ok(true)
}

/// Enters an order that is not known yet; `false` if it is.
async fn claim(tx: &mut PgConnection, order: OrderId, state: State) -> Result<bool, sqlx::Error> {
    let entered = sqlx::query(
        "insert into reservation (order_id, state) values ($1, $2) on conflict (order_id) do nothing",
    )
    .bind(order)
    .bind(state)
    .execute(tx)
    .await?;
    Ok(entered.rows_affected() == 1)
}

async fn find_and_lock(tx: &mut PgConnection, order: OrderId) -> Result<Option<State>, sqlx::Error> {
    sqlx::query_scalar("select state from reservation where order_id = $1 for update")
        .bind(order)
        .fetch_optional(tx)
        .await
}

async fn lock(tx: &mut PgConnection, order: OrderId) -> Result<State, sqlx::Error> {
    find_and_lock(tx, order).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn set_state(tx: &mut PgConnection, order: OrderId, state: State) -> Result<(), sqlx::Error> {
    sqlx::query("update reservation set state = $2, changed_at = clock_timestamp() where order_id = $1")
        .bind(order)
        .bind(state)
        .execute(tx)
        .await?;
    Ok(())
}

/// What is reserved for an order, or was.
async fn lines(tx: &mut PgConnection, order: OrderId) -> Result<Vec<Item>, sqlx::Error> {
    sqlx::query_as(
        "select product_id, quantity from reservation_line where order_id = $1 order by product_id",
    )
    .bind(order)
    .fetch_all(tx)
    .await
}

/// Locks the products in the order of their ids, and finds those that there is too little of.
async fn shortages(
    tx: &mut PgConnection,
    wanted: &BTreeMap<ProductId, i32>,
) -> Result<Vec<Shortage>, sqlx::Error> {
    let ids: Vec<ProductId> = wanted.keys().copied().collect();
    let stock: Vec<(ProductId, i32)> = sqlx::query_as(
        "select product_id, available_stock from product where product_id = any($1) order by product_id for update",
    )
    .bind(&ids)
    .fetch_all(tx)
    .await?;
    let stock: BTreeMap<ProductId, i32> = stock.into_iter().collect();
    let shortage = |(&product_id, &requested): (&ProductId, &i32)| {
        // A product that has left the catalog has no stock.
        let available = stock.get(&product_id).copied().unwrap_or(0);
        (available < requested).then_some(Shortage { product_id, requested, available })
    };
    Ok(wanted.iter().filter_map(shortage).collect())
}

async fn lock_products_of(tx: &mut PgConnection, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "select from product where product_id in (select product_id from reservation_line where order_id = $1)
          order by product_id for update",
    )
    .bind(order)
    .execute(tx)
    .await?;
    Ok(())
}
