//! The SQL of digests: who wants them, and what is in one.

use chrono::{DateTime, TimeDelta, Utc};
use event_bus::outbox::{self, ScheduledId};
use event_bus::{TraceContext, crash_point};
use service_kit::change::ChangeError;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::events::{Change, PriceDigestDue, PriceDigestMade};
use crate::baskets::BuyerId;
use crate::products::Currency;

/// The most changes that one digest names.
const CHANGES: usize = 50;

/// A buyer's digest, its row held until the transaction ends.
#[derive(Debug, sqlx::FromRow)]
struct Digest {
    every_s: i32,
    told: i64,
    timer: Option<Uuid>,
    version: i64,
    now: DateTime<Utc>,
}

/// Whether a buyer wants digests.
pub async fn is_wanted(connection: &mut PgConnection, buyer: &BuyerId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from digest where buyer_id = $1 and timer is not null)")
        .bind(buyer)
        .fetch_one(connection)
        .await
}

/// Has digests made for a buyer from now on, every so many seconds, or no more. Says whether that is a change.
pub async fn want(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    is_wanted: bool,
    every_s: i32,
    trace: &TraceContext,
) -> Result<bool, ChangeError> {
    if is_wanted {
        sqlx::query("insert into digest (buyer_id, every_s, told) values ($1, $2, 0) on conflict do nothing")
            .bind(buyer)
            .bind(every_s)
            .execute(&mut **tx)
            .await?;
    }
    let Some(mut digest) = lock(tx, buyer).await? else { return Ok(false) };
    match (is_wanted, digest.timer) {
        (true, None) => {
            digest.every_s = every_s;
            digest.told = newest(tx, buyer).await?;
            schedule(tx, buyer, &mut digest, every_s, trace).await?;
        }
        // An operator has cancelled or skipped the event that would make the next one; or it is on its way just now, and
        // will find that another one counts. So this one is due at once.
        (true, Some(timer)) if !outbox::is_scheduled(tx, ScheduledId(timer)).await? => {
            schedule(tx, buyer, &mut digest, 0, trace).await?;
        }
        (false, Some(timer)) => {
            outbox::cancel(tx, ScheduledId(timer)).await?;
            digest.timer = None;
        }
        _ => return Ok(false),
    }
    update(tx, buyer, &digest).await?;
    Ok(true)
}

/// Makes the digest that this event asks for, unless there is nothing to tell, and schedules the next one. Nothing, where
/// the buyer wants none any more, or another event is the one that counts.
pub async fn make(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    timer: Uuid,
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    let Some(mut digest) = lock(tx, buyer).await? else { return Ok(()) };
    if digest.timer != Some(timer) {
        return Ok(());
    }
    // What comes after the newest is told the next time: of one buyer's alerts a later one has the higher id.
    let (told, newest) = (digest.told, newest(tx, buyer).await?);
    let (count, changes) = untold(tx, buyer, told, newest).await?;
    digest.version += 1;
    if !changes.is_empty() {
        let more = count - i64::try_from(changes.len()).unwrap_or(count);
        let (buyer_id, version) = (buyer.clone(), digest.version);
        let made = PriceDigestMade { buyer_id, changes, more, currency: Currency::Eur, version };
        outbox::append_traced(tx, &made, trace).await?;
        crash_point!("basket.digest_announced");
    }
    digest.told = newest;
    let every_s = digest.every_s;
    schedule(tx, buyer, &mut digest, every_s, trace).await?;
    update(tx, buyer, &digest).await?;
    crash_point!("basket.digest_made");
    Ok(())
}

/// Forgets that a buyer wanted digests, and makes none any more.
pub async fn erase(tx: &mut Transaction<'_, Postgres>, buyer: &BuyerId) -> Result<(), sqlx::Error> {
    let timer: Option<Option<Uuid>> =
        sqlx::query_scalar("delete from digest where buyer_id = $1 returning timer")
            .bind(buyer)
            .fetch_optional(&mut **tx)
            .await?;
    if let Some(timer) = timer.flatten() {
        outbox::cancel(tx, ScheduledId(timer)).await?;
    }
    Ok(())
}

/// Schedules the event that makes the next one, so many seconds from now.
async fn schedule(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    digest: &mut Digest,
    after_s: i32,
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    digest.version += 1;
    let due = PriceDigestDue { buyer_id: buyer.clone(), version: digest.version };
    let at = digest.now + TimeDelta::seconds(after_s.into());
    digest.timer = Some(outbox::schedule_traced(tx, &due, at, trace).await?.0);
    Ok(())
}

async fn lock(tx: &mut PgConnection, buyer: &BuyerId) -> Result<Option<Digest>, sqlx::Error> {
    sqlx::query_as(
        "select every_s, told, timer, version, clock_timestamp() as now from digest where buyer_id = $1 for update",
    )
    .bind(buyer)
    .fetch_optional(tx)
    .await
}

async fn update(tx: &mut PgConnection, buyer: &BuyerId, digest: &Digest) -> Result<(), sqlx::Error> {
    sqlx::query("update digest set every_s = $2, told = $3, timer = $4, version = $5 where buyer_id = $1")
        .bind(buyer)
        .bind(digest.every_s)
        .bind(digest.told)
        .bind(digest.timer)
        .bind(digest.version)
        .execute(tx)
        .await?;
    Ok(())
}

/// The buyer's newest alert; 0 if there is none.
async fn newest(tx: &mut PgConnection, buyer: &BuyerId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(alert_id), 0) from alert where buyer_id = $1")
        .bind(buyer)
        .fetch_one(tx)
        .await
}

/// What the buyer was told after one alert, up to another, and has not acknowledged: how much, and the first of it.
async fn untold(
    tx: &mut PgConnection,
    buyer: &BuyerId,
    after: i64,
    up_to: i64,
) -> Result<(i64, Vec<Change>), sqlx::Error> {
    let count = sqlx::query_scalar(
        "select count(*) from alert
          where buyer_id = $1 and alert_id > $2 and alert_id <= $3 and acknowledged_at is null",
    )
    .bind(buyer)
    .bind(after)
    .bind(up_to)
    .fetch_one(&mut *tx)
    .await?;
    let changes = sqlx::query_as(
        "select product_id, left(product_name, 200) as product_name, old_price, new_price from alert
          where buyer_id = $1 and alert_id > $2 and alert_id <= $3 and acknowledged_at is null
          order by alert_id limit $4",
    )
    .bind(buyer)
    .bind(after)
    .bind(up_to)
    .bind(i64::try_from(CHANGES).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    Ok((count, changes))
}
