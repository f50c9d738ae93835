//! A pool that survives cut connections, cancelled requests and a database that is away.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use event_bus::DatabaseErrorKind;
use secrecy::ExposeSecret;
use sqlx::error::DatabaseError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres, Transaction};

mod url;

pub use self::url::connect_options;
use crate::retry::retried;
use crate::settings::DatabaseSettings;

/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a command waits for one: nobody waits for a command as for a request.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to prove that it is alive.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that was used more recently than this is not probed before it is used again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long after an abandoned beginning the connection that it left behind may still be on its way back.
const SUSPICION: Duration = Duration::from_mins(1);
/// The pause before a migration tries again to get a table for itself.
const LOCK_PAUSE: Duration = Duration::from_secs(2);
/// When a connection is replaced, so that a server's memory of it does not grow for ever.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// Makes a pool for the database, without connecting: a service starts while its database is away.
///
/// `application_name` is what the database's own views show for these connections.
pub fn connect(settings: &DatabaseSettings, application_name: &str) -> anyhow::Result<PgPool> {
    settings.check()?;
    Ok(connect_with(options(settings, application_name)?, settings.max_connections))
}

/// Makes a pool of one connection for a command, which waits longer for it than a request does, without connecting.
pub fn connect_for_command(settings: &DatabaseSettings, application_name: &str) -> anyhow::Result<PgPool> {
    let options = options(settings, application_name)?;
    Ok(PgPoolOptions::new().max_connections(1).acquire_timeout(COMMAND_TIMEOUT).connect_lazy_with(options))
}

fn options(settings: &DatabaseSettings, application_name: &str) -> anyhow::Result<PgConnectOptions> {
    Ok(connect_options("database.url", settings.url.expose_secret())?.application_name(application_name))
}

/// Makes a pool of at most `max_connections` with these options, without connecting.
pub fn connect_with(options: PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        // sqlx's own probe costs a round trip each time; `before_acquire` does it only where needed.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                let is_current = !event_bus::is_outdated(meta.age);
                Ok(is_current && (meta.idle_for < TRUSTED_FOR || is_alive(connection).await))
            })
        })
        .after_release(|connection, _| Box::pin(async move { Ok(settle(connection).await) }))
        .connect_lazy_with(options)
}

/// Runs the migrations on the database of `settings`, with one connection of the owner's.
///
/// Several processes may do so at once: they take turns, and the later ones find nothing to do. While somebody uses a table
/// that a migration needs for itself, it tries again every few seconds, and lets others use the table meanwhile.
pub async fn migrate(settings: &DatabaseSettings, migrator: &Migrator) -> anyhow::Result<()> {
    let options = options(settings, "migrate")?;
    let mut connection = tokio::time::timeout(COMMAND_TIMEOUT, PgConnection::connect_with(&options))
        .await
        .with_context(|| format!("the database did not answer within {} seconds", COMMAND_TIMEOUT.as_secs()))?
        .context("cannot connect to the database")?;
    // Whoever needs a table waits behind a migration that waits for it, say for the end of a backup.
    sqlx::raw_sql("set lock_timeout = '1s'").execute(&mut connection).await.context("cannot limit a wait")?;
    while let Err(error) = migrate_and_grant(&mut connection, migrator).await {
        if !is_locked_out(&error) {
            return Err(error);
        }
        tracing::warn!(error = format!("{error:#}"), "somebody uses a table, or migrates: will try again");
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    connection.close().await.context("cannot close the connection")
}

async fn migrate_and_grant(connection: &mut PgConnection, migrator: &Migrator) -> anyhow::Result<()> {
    migrator.run(&mut *connection).await.context("cannot migrate the database")?;
    sqlx::raw_sql(GRANTS)
        .execute(connection)
        .await
        .context("cannot grant the rights of the service's roles")?;
    Ok(())
}

/// Whether a lock was not to be had in time (55P03), or was part of a deadlock (40P01).
fn is_locked_out(error: &anyhow::Error) -> bool {
    let error = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
    let code = error.and_then(sqlx::Error::as_database_error).and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

/// What the roles of a service may do with its outbox and inbox.
const GRANTS: &str = include_str!("grants.sql");

/// The migrations of a service: its own, and those of its outbox or inbox, in the order of their versions.
///
/// A service that takes up a part later may have used one of its versions: the part's migration then gets the next
/// version that is free. Migrations of a newer release stay as they are: the schema only grows, so a service that goes back to
/// an older release works on it.
pub fn migrations(own: Migrator, parts: &[&[event_bus::Migration]]) -> Migrator {
    let mut all: Vec<Migration> = own.migrations.iter().cloned().collect();
    for part in parts.iter().copied().flatten() {
        let mut version = part.version;
        while all.iter().any(|other| other.version == version) {
            version += 1;
        }
        let sql = sqlx::SqlStr::from_static(part.sql);
        all.push(Migration::new(version, part.description.into(), MigrationType::Simple, sql, false));
    }
    all.sort_by_key(|migration| migration.version);
    Migrator { migrations: all.into(), ignore_missing: true, ..own }
}

/// Says whether the database answers and has every migration that this build knows; an error names those that it lacks.
pub async fn is_ready(pool: &PgPool, migrator: &Migrator) -> anyhow::Result<()> {
    let query = retried(|| async {
        sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success")
            .fetch_all(pool)
            .await
    });
    let applied = tokio::time::timeout(ACQUIRE_TIMEOUT, query)
        .await
        .context("the database does not answer")?
        .context("the database cannot be asked for its migrations")?;
    let wanted = migrator.iter().map(|migration| migration.version);
    let missing: Vec<String> =
        wanted.filter(|version| !applied.contains(version)).map(|version| version.to_string()).collect();
    anyhow::ensure!(missing.is_empty(), "the database lacks migration {}: run migrate", missing.join(", "));
    Ok(())
}

/// Publishes how many connections the pool has, by state.
pub fn observe(pool: &PgPool) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let used = pool.size().saturating_sub(idle);
    metrics::gauge!("db_pool_connections", "state" => "idle").set(f64::from(idle));
    metrics::gauge!("db_pool_connections", "state" => "used").set(f64::from(used));
}

/// Says whether an error means that the database cannot be used *now*, and a later try may succeed.
pub fn is_away(error: &sqlx::Error) -> bool {
    matches!(DatabaseErrorKind::of(error), DatabaseErrorKind::Unavailable | DatabaseErrorKind::Conflict)
}

/// Says whether a connection answers, once all that was under way on it is over.
async fn is_alive(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(PROBE_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

/// Begins a transaction: `pool.begin()`, for callers that may go away before it has begun.
///
/// A `begin` whose caller went away (a client that hung up) leaves its transaction open in sqlx 0.9,
/// and whoever got the connection next would work inside it. So it is noted, and whatever comes back to
/// a pool around that time is rolled back.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut begin = Box::pin(pool.begin());
    // Declared after it, so dropped before it: the note is there when the connection comes back.
    let note = NoteAbandoned;
    let outcome = begin.as_mut().await;
    std::mem::forget(note);
    outcome
}

/// When a transaction's beginning was last abandoned in this process.
static ABANDONED: Mutex<Option<Instant>> = Mutex::new(None);

struct NoteAbandoned;

impl Drop for NoteAbandoned {
    fn drop(&mut self) {
        *ABANDONED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

fn was_abandoned_lately() -> bool {
    let abandoned = *ABANDONED.lock().unwrap_or_else(PoisonError::into_inner);
    abandoned.is_some_and(|since| since.elapsed() < SUSPICION)
}

/// Leaves a connection without an open transaction or an unread answer; `false` if that cannot be had
/// in time: sqlx probes a released connection without a deadline, and one that was cut silently in the
/// middle of a query would hold its place in the pool until TCP gives up.
///
/// Costs no round trip where nothing is left: this is done after every use of a connection. The leading
/// `begin` is for quiet: a lone `rollback` outside a transaction writes a warning to the server's log.
/// Inside a failed transaction the `begin` is an error, and the connection is thrown away.
async fn settle(connection: &mut PgConnection) -> bool {
    let settled = async {
        if was_abandoned_lately() {
            connection.execute("begin; rollback").await.map(drop)
        } else {
            connection.flush().await
        }
    };
    matches!(tokio::time::timeout(PROBE_TIMEOUT, settled).await, Ok(Ok(())))
}
