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

/// How a relay shows that it is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// By a session that it holds open: when that ends, others take over at once.
    Session,
    /// By renewing its lease alone: behind a pooler that hands sessions around, none is the relay's own.
    Lease,
}

/// What relays have agreed upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// What this relay owns now, for the time asked for from when it asked.
    pub leases: Vec<Lease>,
    /// The relay whose end this one is to look out for, if there is another one.
    pub neighbour: Option<Uuid>,
}

/// What a renewal said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// How many partitions the relay still owns.
    pub owned: usize,
    /// Whether the partitions are not shared fairly among the relays that are alive now.
    pub is_unbalanced: bool,
}

/// Takes the lock that a relay holds for as long as its session lives. To be called once a session, before
/// the first [`agree`].
pub async fn enter(session: &mut PgConnection, relay_id: Uuid) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("select pg_advisory_lock(hashtextextended($1::text, 0))");
    lock.bind(relay_id).execute(session).await?;
    Ok(())
}

/// Has the waits of a session in [`outlives`] end after `patience`, and nothing else end them.
pub async fn be_patient(session: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let limits = "select set_config('statement_timeout', '0', false), set_config('lock_timeout', $1, false)";
    sqlx::query(limits).bind(patience.as_millis().to_string()).execute(session).await?;
    Ok(())
}

/// Waits until the session of a relay has ended, or until the session's patience has: `true` if the first.
///
/// Waits in the database, for the lock that [`enter`] took, so that it costs nothing while nothing
/// happens. Not for long, since a statement that waits keeps vacuum from what died after it began.
pub async fn outlives(session: &mut PgConnection, relay_id: Uuid) -> Result<bool, sqlx::Error> {
    let lock = sqlx::query("select pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))");
    match lock.bind(relay_id).execute(session).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells all relays of this database that one of them has gone.
pub async fn announce_end(db: impl PgExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_notify($1, '')").bind(super::RELAYS_CHANNEL).execute(db).await?;
    Ok(())
}

/// Registers the relay, or says that it is still alive; takes free partitions up to its fair share and
/// gives up what it has above it.
///
/// With [`Presence::Session`], `session` must be a connection that lives as long as the relay works on
/// this database. To be called while none of the relay's messages is on its way, since a partition given
/// up may be published by another relay the moment this returns.
pub async fn agree(
    session: impl PgExecutor<'_>,
    relay_id: Uuid,
    name: &str,
    presence: Presence,
    lease: Duration,
) -> Result<Agreed, sqlx::Error> {
    // One statement, so that a relay at rest costs one round trip. What may have changed under us is
    // compared again in the update (relay_id, epoch): a concurrent claim of the same partition loses.
    // A session of another role may be seen without its start: it then counts as alive. Process 0 stands
    // for a relay without a session of its own.
    let (partitions, epochs, neighbour): (Vec<i16>, Vec<i64>, Option<Uuid>) = sqlx::query_as(
        "with me as (
            insert into outbox_relay as relay (relay_id, name, backend_pid, backend_start, alive_until)
            select $1, $2, case when $5 then pid else 0 end, backend_start, clock_timestamp() + $3
              from pg_stat_activity where pid = pg_backend_pid()
            on conflict (relay_id) do update set alive_until = excluded.alive_until,
                backend_pid = excluded.backend_pid, backend_start = excluded.backend_start
            returning relay_id
        ), alive as (
            select relay_id, backend_pid from outbox_relay as relay
             where relay_id <> $1 and alive_until > clock_timestamp()
               and (backend_pid = 0
                    or exists (select from pg_stat_activity as session where session.pid = relay.backend_pid
                                  and coalesce(session.backend_start = relay.backend_start, true)))
        ), gone as (
            -- Looked at again under the lock: a relay whose renewal is on its way stays.
            delete from outbox_relay where relay_id in (
                select relay_id from outbox_relay as relay
                 where relay_id <> $1
                   and not (alive_until > clock_timestamp()
                            and (backend_pid = 0
                                 or exists (select from pg_stat_activity as session
                                             where session.pid = relay.backend_pid
                                               and coalesce(session.backend_start = relay.backend_start, true))))
                   for update skip locked)
        ), share as (
            select ceil($4::numeric / (1 + count(*)))::bigint as size from alive
        ), mine as (
            -- What another has locked is being taken over, and not mine any more.
            select partition, epoch, relay_id, row_number() over (order by partition) as rank
              from (select partition, epoch, relay_id from outbox_partition
                     where relay_id = $1 for update skip locked) as held
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
        select coalesce(array_agg(partition order by partition), '{}'),
               coalesce(array_agg(epoch order by partition), '{}'),
               -- The next one, in a ring: everybody with a session is somebody's neighbour.
               (select relay_id from alive where backend_pid <> 0 order by relay_id < $1, relay_id limit 1)
          from updated where relay_id = $1",
    )
    .bind(relay_id)
    .bind(name)
    .bind(interval(lease))
    .bind(PARTITIONS)
    .bind(presence == Presence::Session)
    .fetch_one(session)
    .await?;
    let owned = partitions.into_iter().zip(epochs);
    let leases = owned.map(|(partition, epoch)| Lease { relay_id, partition, epoch }).collect();
    Ok(Agreed { leases, neighbour })
}

/// Says that the relay is still alive while its messages are on their way: prolongs what it owns, takes
/// and gives up nothing.
pub async fn renew(
    session: impl PgExecutor<'_>,
    relay_id: Uuid,
    lease: Duration,
) -> Result<Renewed, sqlx::Error> {
    let (owned, is_unbalanced): (i64, bool) = sqlx::query_as(
        "with me as (
            update outbox_relay set alive_until = clock_timestamp() + $2 where relay_id = $1
        ), prolonged as (
            update outbox_partition set owned_until = clock_timestamp() + $2
             where relay_id = $1 and owned_until > clock_timestamp()
            returning partition
        ), mine as (
            select count(*) as owned from prolonged
        ), share as (
            select ceil($3::numeric / (1 + count(*)))::bigint as size
              from outbox_relay where relay_id <> $1 and alive_until > clock_timestamp()
        )
        select owned, owned > size
                      or (owned < size and exists (select from outbox_partition
                                                    where relay_id is null or owned_until < clock_timestamp()))
          from mine, share",
    )
    .bind(relay_id)
    .bind(interval(lease))
    .bind(PARTITIONS)
    .fetch_one(session)
    .await?;
    Ok(Renewed { owned: usize::try_from(owned).unwrap_or(usize::MAX), is_unbalanced })
}

/// Gives up everything and tells the other relays, so that they take over at once: the last act of a clean
/// stop.
pub async fn resign(db: impl PgExecutor<'_>, relay_id: Uuid) -> Result<(), sqlx::Error> {
    let resign = "with gone as (delete from outbox_relay where relay_id = $1) select pg_notify($2, '')";
    sqlx::query(resign).bind(relay_id).bind(super::RELAYS_CHANNEL).execute(db).await?;
    Ok(())
}

fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
