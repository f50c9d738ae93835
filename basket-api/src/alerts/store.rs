//! The statements that read and acknowledge a buyer's alerts.

use service_kit::{database, page::Window, retry::retried};
use sqlx::{FromRow, PgConnection, PgPool, Row};

use super::model::{Alert, AlertId, AlertPage};
use crate::baskets::{self, BuyerId};

/// Which of a buyer's alerts to acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// All of them.
    All,
    /// Those with these ids; ids of other buyers' alerts are ignored.
    Only(Vec<AlertId>),
}

/// Reads one page of the buyer's alerts, newest first.
pub async fn list(
    connection: &mut PgConnection,
    buyer: &BuyerId,
    window: Window,
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
    .bind(window.offset())
    .bind(window.limit())
    .fetch_all(connection)
    .await?;
    Ok(AlertPage { count, data })
}

/// Acknowledges alerts, and accepts the current prices of their products: of all products in the cart, if all
/// alerts are acknowledged. A price of which a later alert tells, which is still open, is not accepted.
pub async fn acknowledge(pool: &PgPool, buyer: &BuyerId, which: &Acknowledged) -> Result<(), sqlx::Error> {
    let ids = match which {
        Acknowledged::All => None,
        Acknowledged::Only(ids) => Some(ids),
    };
    retried(|| async {
        let mut tx = database::begin(pool).await?;
        if baskets::store::lock(&mut tx, buyer).await?.is_none() {
            return Ok(());
        }
        let accepted = sqlx::query(
            "update cart_line set accepted_price = unit_price
             where buyer_id = $1 and accepted_price <> unit_price
               and ($2::bigint[] is null
                    or product_id in (select product_id from alert where buyer_id = $1 and alert_id = any ($2))
                       and not exists (
                           select from alert as unseen
                            where unseen.buyer_id = $1 and unseen.product_id = cart_line.product_id
                              and unseen.kind = 'price_changed' and unseen.acknowledged_at is null
                              and unseen.alert_id > (
                                  select max(alert_id) from alert
                                   where buyer_id = $1 and alert_id = any ($2)
                                     and product_id = cart_line.product_id)))",
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
                acknowledged_at, traceparent
         from alert where buyer_id = $1 and alert_id > $2 order by alert_id limit $3",
    )
    .bind(buyer)
    .bind(last)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// A buyer with open streams, and the newest of their alerts that is known; `None` before the first poll.
pub type Known = (BuyerId, Option<AlertId>);

/// The new alerts of these buyers, in one statement: for each buyer the alerts after the known one, oldest first
/// and at most `limit`; if none is known, only the newest alert.
pub async fn new_alerts(
    connection: &mut PgConnection,
    known: &[Known],
    limit: i64,
) -> Result<Vec<(BuyerId, Alert)>, sqlx::Error> {
    // One or two index lookups for each buyer, with any number of alerts.
    let rows = sqlx::query(
        "select stream.buyer_id as stream_buyer_id, found.*
         from unnest($1::text[], $2::bigint[]) as stream (buyer_id, known)
         cross join lateral (
             (select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                     acknowledged_at, traceparent
              from alert where buyer_id = stream.buyer_id and alert_id > stream.known
              order by alert_id limit $3)
             union all
             (select alert_id, event_id, kind, product_id, product_name, old_price, new_price, created_at,
                     acknowledged_at, traceparent
              from alert where buyer_id = stream.buyer_id and stream.known is null
              order by alert_id desc limit 1)
         ) as found
         order by found.alert_id",
    )
    .bind(known.iter().map(|(buyer, _)| buyer.clone()).collect::<Vec<_>>())
    .bind(known.iter().map(|(_, known)| *known).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("stream_buyer_id")?, Alert::from_row(row)?))).collect()
}

/// How many alerts were ever written, by all processes. A repeated write counts twice. The sequence is read because
/// counting would read all rows.
pub async fn raised(pool: PgPool) -> Result<i64, sqlx::Error> {
    retried(|| async {
        sqlx::query_scalar("select case when is_called then last_value else 0 end from alert_alert_id_seq")
            .fetch_one(&pool)
            .await
    })
    .await
}
