//! A buyer's alerts: read, acknowledged, and watched for new ones.

use service_kit::database;
use sqlx::{FromRow, PgConnection, PgPool, Row};

use super::model::{Alert, AlertId, AlertPage};
use crate::{
    baskets::{self, BuyerId},
    transaction::retried,
};

/// Which of a buyer's alerts are acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// Every one.
    All,
    /// Those with these ids; other buyers' are left alone.
    Only(Vec<AlertId>),
}

/// Reads one page of the buyer's alerts, newest first.
pub async fn list(
    connection: &mut PgConnection,
    buyer: &BuyerId,
    offset: i64,
    limit: i64,
) -> Result<AlertPage, sqlx::Error> {
    let count = sqlx::query_scalar("select count(*) from alert where buyer_id = $1")
        .bind(buyer)
        .fetch_one(&mut *connection)
        .await?;
    let data = sqlx::query_as(
        "select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                acknowledged_at
         from alert where buyer_id = $1 order by alert_id desc offset $2 limit $3",
    )
    .bind(buyer)
    .bind(offset)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(AlertPage { count, data })
}

/// Notes that the buyer has seen alerts, and accepts the present price of the products that those were
/// about (all products in the cart, when all are acknowledged).
pub async fn acknowledge(pool: &PgPool, buyer: &BuyerId, which: &Acknowledged) -> Result<(), sqlx::Error> {
    let ids = match which {
        Acknowledged::All => None,
        Acknowledged::Only(ids) => Some(ids),
    };
    retried(async || {
        let mut tx = database::begin(pool).await?;
        if baskets::store::lock(&mut tx, buyer).await?.is_none() {
            return Ok(());
        }
        let accepted = sqlx::query(
            "update cart_line set accepted_price = unit_price
             where buyer_id = $1 and accepted_price <> unit_price
               and ($2::bigint[] is null or product_id in (
                   select product_id from alert where buyer_id = $1 and alert_id = any ($2)))",
        )
        .bind(buyer)
        .bind(ids)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if accepted > 0 {
            baskets::store::raise_version(&mut tx, buyer).await?;
        }
        sqlx::query(
            "update alert set acknowledged_at = now()
             where buyer_id = $1 and acknowledged_at is null and ($2::bigint[] is null or alert_id = any ($2))",
        )
        .bind(buyer)
        .bind(ids)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    })
    .await
}

/// The buyer's alerts after `last`, oldest first, at most `limit`.
pub async fn after(
    connection: &mut PgConnection,
    buyer: &BuyerId,
    last: AlertId,
    limit: i64,
) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as(
        "select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                acknowledged_at
         from alert where buyer_id = $1 and alert_id > $2 order by alert_id limit $3",
    )
    .bind(buyer)
    .bind(last)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// A buyer who listens, and the newest of their alerts that is known; `None` before the first look.
pub type Listening = (BuyerId, Option<AlertId>);

/// What is new for these buyers, in one statement: of each, the alerts after the one that is known,
/// oldest first and at most `limit`; and where none is known, only the newest.
pub async fn news(
    connection: &mut PgConnection,
    listening: &[Listening],
    limit: i64,
) -> Result<Vec<(BuyerId, Alert)>, sqlx::Error> {
    // One or two probes of the index for each buyer, however many alerts there are.
    let rows = sqlx::query(
        "select listening.buyer_id as listener, news.*
         from unnest($1::text[], $2::bigint[]) as listening (buyer_id, known)
         cross join lateral (
             (select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                     acknowledged_at
              from alert where buyer_id = listening.buyer_id and alert_id > listening.known
              order by alert_id limit $3)
             union all
             (select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                     acknowledged_at
              from alert where buyer_id = listening.buyer_id and listening.known is null
              order by alert_id desc limit 1)
         ) as news
         order by news.alert_id",
    )
    .bind(listening.iter().map(|(buyer, _)| buyer.clone()).collect::<Vec<_>>())
    .bind(listening.iter().map(|(_, known)| *known).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("listener")?, Alert::from_row(row)?))).collect()
}

/// How many alerts were ever written, by all processes; a little more where one was written again.
/// Counting rows would read all of them.
pub async fn raised(pool: PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select case when is_called then last_value else 0 end from alert_alert_id_seq")
        .fetch_one(&pool)
        .await
}
