//! Who publishes which partition.
//!
//! Relays own partitions, not rows: a row that another relay could claim while an earlier one of the
//! same key is still on its way would overtake it. Ownership is a lease on the database's clock. It
//! ends when its time runs out (a frozen or cut-off relay) or when the database session that the
//! relay registered is gone (a killed one), whichever is first.
//!
//! Two relays may still send the same event for a moment: one that was frozen after its last look at
//! the clock goes on when it thaws. Each sends a key's events in order and starts at the oldest that
//! is not marked, so the *first* publication of every event keeps the order; the repeat is absorbed by
//! the consumer's inbox.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, postgres::types::PgInterval};
use uuid::Uuid;

use super::PARTITIONS;

/// A partition that a relay owns, and under which epoch: the fence of its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The relay.
    pub relay_id: Uuid,
    /// The partition.
    pub partition: i16,
    /// The epoch: one more than the previous owner's.
    pub epoch: i64,
}

/// Registers the relay, or says that it is still alive; takes free partitions up to its fair share and
/// gives up what it has above it. Returns what it owns now, for `lease` from when the call began.
///
/// `session` must be a connection that lives as long as the relay works on this database: when it is
/// gone, others take over at once. To be called while none of the relay's messages is on its way,
/// since a partition given up may be published by another relay the moment this returns.
pub async fn rebalance(
    session: &mut PgConnection,
    relay_id: Uuid,
    name: &str,
    lease: Duration,
) -> Result<Vec<Lease>, sqlx::Error> {
    // One statement, so that a relay at rest costs one round trip. What may have changed under us is
    // compared again in the update (relay_id, epoch): a concurrent claim of the same partition loses.
    // A session of another role may be seen without its start: it then counts as alive.
    let owned: Vec<(i16, i64)> = sqlx::query_as(
        "with me as (
            insert into outbox_relay as relay (relay_id, name, backend_pid, backend_start, alive_until)
            select $1, $2, pid, backend_start, clock_timestamp() + $3
              from pg_stat_activity where pid = pg_backend_pid()
            on conflict (relay_id) do update set alive_until = excluded.alive_until,
                backend_pid = excluded.backend_pid, backend_start = excluded.backend_start
            returning relay_id
        ), alive as (
            select relay_id from outbox_relay as relay
             where relay_id <> $1 and alive_until > clock_timestamp()
               and exists (select from pg_stat_activity as session where session.pid = relay.backend_pid
                              and coalesce(session.backend_start = relay.backend_start, true))
        ), gone as (
            -- Looked at again under the lock: a relay whose renewal is on its way stays.
            delete from outbox_relay where relay_id in (
                select relay_id from outbox_relay as relay
                 where relay_id <> $1
                   and not (alive_until > clock_timestamp()
                            and exists (select from pg_stat_activity as session
                                         where session.pid = relay.backend_pid
                                           and coalesce(session.backend_start = relay.backend_start, true)))
                   for update skip locked)
        ), share as (
            select ceil($4::numeric / (1 + count(*)))::bigint as size from alive
        ), mine as (
            select partition, epoch, relay_id, row_number() over (order by partition) as rank
              from outbox_partition where relay_id = $1
        ), free as (
            select partition, epoch, relay_id from outbox_partition
             where relay_id is distinct from $1
               and (relay_id is null or owned_until < clock_timestamp()
                    or relay_id not in (select relay_id from alive))
             order by partition
             limit (select greatest(0, size - (select count(*) from mine)) from share)
               for update skip locked
        ), wanted as (
            select partition, epoch, relay_id, 0 as raise,
                   case when rank <= (select size from share) then $1 end as new_relay_id from mine
            union all
            select partition, epoch, relay_id, 1, $1 from free
        ), updated as (
            update outbox_partition as target
               set relay_id = wanted.new_relay_id, epoch = target.epoch + wanted.raise,
                   owned_until = case when wanted.new_relay_id is not null then clock_timestamp() + $3 end
              from wanted
             where target.partition = wanted.partition and target.epoch = wanted.epoch
               and target.relay_id is not distinct from wanted.relay_id
            returning target.partition, target.epoch, target.relay_id
        )
        select partition, epoch from updated where relay_id = $1 order by partition",
    )
    .bind(relay_id)
    .bind(name)
    .bind(interval(lease))
    .bind(PARTITIONS)
    .fetch_all(session)
    .await?;
    Ok(owned.into_iter().map(|(partition, epoch)| Lease { relay_id, partition, epoch }).collect())
}

/// Says that the relay is still alive while its messages are on their way: prolongs what it owns,
/// takes and gives up nothing. Returns how many partitions it still owns.
pub async fn renew(
    session: &mut PgConnection,
    relay_id: Uuid,
    lease: Duration,
) -> Result<usize, sqlx::Error> {
    let done = sqlx::query(
        "with alive as (
            update outbox_relay set alive_until = clock_timestamp() + $2 where relay_id = $1)
         update outbox_partition set owned_until = clock_timestamp() + $2
          where relay_id = $1 and owned_until > clock_timestamp()",
    )
    .bind(relay_id)
    .bind(interval(lease))
    .execute(session)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Gives up everything, so that others take over at once: the last act of a clean stop.
pub async fn resign(db: impl PgExecutor<'_>, relay_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("delete from outbox_relay where relay_id = $1").bind(relay_id).execute(db).await?;
    Ok(())
}

fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
