//! Which relay publishes which partition.
//!
//! Relays own partitions, not rows. If a relay could claim a row while an earlier one of the same key is in
//! flight at another relay, the later event could overtake. Ownership is a lease on the database's clock. It
//! ends when its time runs out (a frozen or cut-off relay) or when the relay's registered database session
//! ends (a killed one), whichever is first.
//!
//! Two relays may still send the same event for a moment: a frozen relay may go on after its last check of the
//! clock. Each relay sends a key's events in order and starts at the oldest unmarked one, so the *first*
//! publication of every event keeps the order, and the consumer's inbox absorbs the repeat.

use std::time::Duration;

use event_bus::{crash_point, relay::PARTITIONS};
use relay_engine::{Lease, Renewed, Take};
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::Session;

/// The channel on which relays tell each other that one of them has ended.
pub(crate) const CHANNEL: &str = "outbox_relay";

/// How a relay shows that it is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// By a session that it holds open: when the session ends, other relays take over at once.
    Session,
    /// By renewing its lease alone: behind a pooler no session is the relay's own.
    Lease,
}

/// Where the row `relay` of the registry says that it publishes, in words.
macro_rules! place {
    () => {
        "relay.destination || case when relay.cluster = '' then '' else ' of the cluster ' || relay.cluster end
         || case when relay.source = '' then '' else ', as the source ' || relay.source end"
    };
}

/// This relay's row of the registry.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) id: Uuid,
    /// Its name, for people.
    pub(crate) name: String,
    pub(crate) liveness: Liveness,
    /// Where it publishes.
    pub(crate) destination: String,
    /// The cluster that it is connected to; empty where that is not known.
    pub(crate) cluster: String,
    /// The `source` of its events.
    pub(crate) source: String,
    /// What an operator should know.
    pub(crate) problems: Vec<String>,
}

/// The result of a rebalance.
#[derive(Debug)]
pub(crate) struct Rebalanced {
    /// What this relay owns now, counted from before it asked.
    pub(crate) leases: Vec<Lease>,
    /// The relay that this one monitors, if there is another one.
    pub(crate) peer: Option<Uuid>,
    /// Where another relay publishes this log, if that is not the same place and the other relay was first.
    pub(crate) other_destination: Option<String>,
}

/// Takes the lock that shows peers that this relay's session is open. Called once a session, before the first
/// [`rebalance`].
pub(crate) async fn register(session: &mut Session, relay_id: Uuid) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("select pg_advisory_lock(hashtextextended($1::text, 0))");
    lock.bind(relay_id).execute(session.connection()).await?;
    Ok(())
}

/// Limits the waits of [`peer_ended`] to `limit`.
pub(crate) async fn limit_waits(session: &mut Session, limit: Duration) -> Result<(), sqlx::Error> {
    let limits = "select set_config('statement_timeout', '0', false), set_config('lock_timeout', $1, false)";
    sqlx::query(limits).bind(limit.as_millis().to_string()).execute(session.connection()).await?;
    Ok(())
}

/// Waits until the session of a relay has ended (`true`), or until the limit of [`limit_waits`] (`false`).
///
/// The wait is for the lock of [`register`], so it costs nothing while nothing happens. It is not long, since a
/// waiting statement keeps vacuum from rows that died after it started.
pub(crate) async fn peer_ended(session: &mut Session, relay_id: Uuid) -> Result<bool, sqlx::Error> {
    let lock = sqlx::query("select pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))");
    match lock.bind(relay_id).execute(session.connection()).await {
        Ok(_) => Ok(true),
        // Lock not available.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notifies all relays of this database that one of them has ended.
pub(crate) async fn notify_ended(session: &mut Session) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(session.connection()).await?;
    Ok(())
}

/// Finds where another relay that is alive publishes this log, if that is not where this one does.
pub(crate) async fn other_destination(
    session: &mut Session,
    relay: &Registration,
) -> Result<Option<String>, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let other = sqlx::query_scalar(concat!(
        "select ",
        place!(),
        " from outbox_relay as relay
          where (destination not in ('', $1) or source not in ('', $3)
                 or (has_broker and cluster not in ('', $2) and $2 <> '')) and ",
        is_alive!(),
        " limit 1"
    ))
    .bind(&relay.destination)
    .bind(&relay.cluster)
    .bind(&relay.source)
    .persistent(is_prepared)
    .fetch_optional(session.begin().await?)
    .await?;
    session.end().await?;
    Ok(other)
}

/// Registers the relay or renews its registration, takes free partitions up to its fair share, and releases
/// those above it. With [`Take::Nothing`] it releases all of them.
///
/// With [`Liveness::Session`], the session must live as long as the relay works on this database. Called while
/// no event is in flight, since another relay may publish a released partition the moment this returns.
pub(crate) async fn rebalance(
    session: &mut Session,
    relay: &Registration,
    lease: Duration,
    take: Take,
) -> Result<Rebalanced, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    if take == Take::Nothing {
        without_broker(session, relay, lease).await?;
        return Ok(Rebalanced { leases: Vec::new(), peer: None, other_destination: None });
    }
    // One statement, so that an idle relay costs one round trip. The update compares (relay_id, epoch) again: a
    // concurrent claim of the same partition loses.
    let (partitions, epochs, peer, other_destination): (Vec<i16>, Vec<i64>, Option<Uuid>, Option<String>) = sqlx::query_as(concat!(
        "with me as (
            insert into outbox_relay as relay
                (relay_id, name, backend_pid, backend_start, alive_until, destination, cluster, source, has_broker,
                 problems)
            select $1, $2, case when $5 then pid else 0 end, backend_start, clock_timestamp() + $3, $6, $8, $9, true, $7
              from pg_stat_activity where pid = pg_backend_pid()
            on conflict (relay_id) do update set alive_until = excluded.alive_until,
                backend_pid = excluded.backend_pid, backend_start = excluded.backend_start,
                has_broker = true, cluster = excluded.cluster, problems = excluded.problems
            returning relay_id, started_at
        ), alive as (
            select relay_id, backend_pid, destination, cluster, source, started_at, ", place!(), " as place from outbox_relay as relay
             where relay_id <> $1 and has_broker and ", is_alive!(), "
        ), gone as (
            -- Checked again under the lock: a relay whose renewal is under way stays.
            delete from outbox_relay where relay_id in (
                select relay_id from outbox_relay as relay
                 where relay_id <> $1 and not ", is_alive!(), "
                   for update skip locked)
        ), share as (
            select ceil($4::numeric / (1 + count(*)))::bigint as size from alive
        ), mine as (
            -- A row that another relay has locked is being taken over.
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
               -- The next one in a ring: each relay with a session has one peer that monitors it.
               (select relay_id from alive where backend_pid <> 0 order by relay_id < $1, relay_id limit 1),
               (select alive.place from alive, me
                 where (alive.destination not in ('', $6) or alive.source not in ('', $9)
                        or (alive.cluster not in ('', $8) and $8 <> ''))
                   and (alive.started_at, alive.relay_id) < (me.started_at, me.relay_id) limit 1)
          from updated where relay_id = $1"
    ))
    .bind(relay.id)
    .bind(&relay.name)
    .bind(interval(lease))
    .bind(PARTITIONS)
    .bind(relay.liveness == Liveness::Session)
    .bind(&relay.destination)
    .bind(&relay.problems)
    .bind(&relay.cluster)
    .bind(&relay.source)
    .persistent(is_prepared)
    .fetch_one(session.begin().await?)
    .await?;
    session.end().await?;
    let owned = partitions.into_iter().zip(epochs);
    let leases = owned.map(|(partition, epoch)| Lease { partition, epoch }).collect();
    Ok(Rebalanced { leases, peer, other_destination })
}

/// Registers a relay that cannot publish, and releases its partitions. Other relays are notified if there were any.
async fn without_broker(
    session: &mut Session,
    relay: &Registration,
    lease: Duration,
) -> Result<(), sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let released = sqlx::query(
        "with me as (
            insert into outbox_relay
                (relay_id, name, backend_pid, backend_start, alive_until, destination, source, has_broker, problems)
            select $1, $2, case when $4 then pid else 0 end, backend_start, clock_timestamp() + $3, $5, $8, false, $6
              from pg_stat_activity where pid = pg_backend_pid()
            on conflict (relay_id) do update set alive_until = excluded.alive_until,
                backend_pid = excluded.backend_pid, backend_start = excluded.backend_start,
                has_broker = false, cluster = '', problems = excluded.problems
        ), released as (
            update outbox_partition set relay_id = null, owned_until = null where relay_id = $1 returning partition
        )
        select pg_notify($7, '') from released limit 1",
    )
    .bind(relay.id)
    .bind(&relay.name)
    .bind(interval(lease))
    .bind(relay.liveness == Liveness::Session)
    .bind(&relay.destination)
    .bind(&relay.problems)
    .bind(CHANNEL)
    .bind(&relay.source)
    .persistent(is_prepared)
    .execute(session.begin().await?)
    .await?;
    session.end().await?;
    if released.rows_affected() > 0 {
        crash_point!("relay.after_release");
    }
    Ok(())
}

/// Renews the relay's registration and leases while its events are in flight. Takes and releases nothing.
pub(crate) async fn renew(
    session: &mut Session,
    relay: &Registration,
    lease: Duration,
) -> Result<Renewed, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let (owned, is_unbalanced): (i64, bool) = sqlx::query_as(
        "with me as (
            update outbox_relay set alive_until = clock_timestamp() + $2, problems = $4 where relay_id = $1
        ), prolonged as (
            update outbox_partition set owned_until = clock_timestamp() + $2
             where relay_id = $1 and owned_until > clock_timestamp()
            returning partition
        ), mine as (
            select count(*) as owned from prolonged
        ), share as (
            select ceil($3::numeric / (1 + count(*)))::bigint as size
              from outbox_relay where relay_id <> $1 and has_broker and alive_until > clock_timestamp()
        )
        select owned, owned > size
                      or (owned < size and exists (select from outbox_partition
                                                    where relay_id is null or owned_until < clock_timestamp()))
          from mine, share",
    )
    .bind(relay.id)
    .bind(interval(lease))
    .bind(PARTITIONS)
    .bind(&relay.problems)
    .persistent(is_prepared)
    .fetch_one(session.begin().await?)
    .await?;
    session.end().await?;
    Ok(Renewed { owned: usize::try_from(owned).unwrap_or(usize::MAX), is_unbalanced })
}

/// Releases all partitions and notifies the other relays, so that they take over at once: the last step of a
/// clean stop. Does nothing if the relay is not registered.
pub(crate) async fn release(session: &mut Session, relay_id: Uuid) -> Result<(), sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let release = "with gone as (delete from outbox_relay where relay_id = $1 returning relay_id)
                   select pg_notify($2, '') from gone";
    let release = sqlx::query(release).bind(relay_id).bind(CHANNEL).persistent(is_prepared);
    release.execute(session.begin().await?).await?;
    session.end().await
}

fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
