//! A pool that outlives what happens to its connections.

use std::time::Duration;

use service_kit::database;
use service_kit::settings::DatabaseSettings;
use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Connection, PgConnection};
use test_kit::eventually;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Sessions of this test's database that are inside a transaction and do nothing.
async fn left_open(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
          where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(pool)
    .await
    .expect("activity")
}

#[sqlx::test(migrations = false)]
async fn a_begin_that_nobody_waits_for_leaves_no_transaction_open(pool: PgPool) {
    let wire = Wire::to(&pool, Duration::from_millis(20)).await;
    let ours = database::connect_with(wire.options(&pool), 1);
    for _ in 0..3 {
        drop(ours.acquire().await.expect("a connection"));
        eventually("it is back in the pool", Duration::from_secs(5), async || {
            (ours.num_idle() == 1).then_some(())
        })
        .await;
        // Given up after the `begin` has been sent, and before it is answered.
        let begun = tokio::time::timeout(Duration::from_millis(30), database::begin(&ours)).await;
        assert!(begun.is_err(), "the wire is too fast for this test");
    }
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&ours).await.expect("a usable connection");
    assert_eq!(one, 1);
    eventually("no transaction is left open", Duration::from_secs(5), async || {
        (left_open(&pool).await == 0).then_some(())
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn a_transaction_that_failed_is_not_handed_on(pool: PgPool) {
    let ours = database::connect_with(pool.connect_options().as_ref().clone(), 1);
    let mut tx = database::begin(&ours).await.expect("begun");
    sqlx::query("select 1 / 0").execute(&mut *tx).await.expect_err("fails");
    drop(tx);
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&ours).await.expect("a usable connection");
    assert_eq!((one, left_open(&pool).await), (1, 0));
}

/// A wire to the database that takes its time, and can be cut.
struct Wire {
    port: u16,
    cuts: watch::Sender<u32>,
}

impl Wire {
    async fn to(pool: &PgPool, delay: Duration) -> Self {
        let options = pool.connect_options();
        let target = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (cuts, seen) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, mut seen) = (target.clone(), seen.clone());
                tokio::spawn(async move {
                    seen.mark_unchanged();
                    let server =
                        TcpStream::connect((target.0.as_str(), target.1)).await.expect("the database");
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let cut = async { seen.changed().await.is_ok() };
                    tokio::select! {
                        () = pass_on(&mut from_client, &mut to_server, delay) => {}
                        () = pass_on(&mut from_server, &mut to_client, delay) => {}
                        // Neither bytes nor an end: what a pulled cable looks like.
                        true = cut => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, cuts }
    }

    /// How to reach the database of `pool` over this wire.
    fn options(&self, pool: &PgPool) -> PgConnectOptions {
        pool.connect_options().as_ref().clone().host("127.0.0.1").port(self.port)
    }

    /// Cuts every connection there is; new ones get through.
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), delay: Duration) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(delay).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Sessions of this test's database that do as the test below has them do.
async fn asleep(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
          where datname = current_database() and state = 'active' and wait_event = 'PgSleep'",
    )
    .fetch_one(pool)
    .await
    .expect("activity")
}

#[sqlx::test(migrations = false)]
async fn connections_that_were_cut_silently_give_their_places_back(pool: PgPool) {
    let wire = Wire::to(&pool, Duration::ZERO).await;
    let ours = database::connect_with(wire.options(&pool), 2);
    let slow = async || sqlx::query("select pg_sleep(60)").execute(&ours).await;
    let both = async { tokio::join!(slow(), slow()) };
    // Their callers wait, the wire is cut, and the callers go away.
    let cut = async {
        // And not still being let in: PostgreSQL drops no database, of no test, while somebody is at its door.
        eventually("both are at work", Duration::from_secs(10), async || {
            (asleep(&pool).await == 2).then_some(())
        })
        .await;
        wire.cut();
    };
    tokio::select! {
        _ = both => panic!("answered"),
        () = cut => {}
    }
    let works = async || {
        let one = sqlx::query_scalar::<_, i32>("select 1").fetch_one(&ours).await;
        one.is_ok().then_some(())
    };
    eventually("the pool works again", Duration::from_secs(10), works).await;
}

#[tokio::test]
async fn without_a_database_the_error_says_that_it_is_away() {
    let options = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(1).username("x");
    let ours = database::connect_with(options, 1);
    let error = sqlx::query("select 1").execute(&ours).await.expect_err("no database");
    assert!(database::is_away(&error), "{error:?}");
    assert!(!database::is_away(&sqlx::Error::RowNotFound));
}

#[sqlx::test(migrations = false)]
async fn errors_that_pass_are_told_from_those_that_stay(pool: PgPool) {
    for (statement, away) in [
        ("do $$ begin raise exception using errcode = '57P01'; end $$", true),
        ("do $$ begin raise exception using errcode = '57014'; end $$", true),
        ("do $$ begin raise exception using errcode = '53300'; end $$", true),
        ("do $$ begin raise exception using errcode = '40P01'; end $$", true),
        ("do $$ begin raise exception using errcode = '55P03'; end $$", true),
        ("do $$ begin raise exception using errcode = '25006'; end $$", true),
        ("select 1 / 0", false),
        ("select * from nothing", false),
        ("do $$ begin raise exception using errcode = '23505'; end $$", false),
    ] {
        let error = sqlx::query(statement).execute(&pool).await.expect_err("an error");
        assert_eq!(database::is_away(&error), away, "{error:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn sessions_to_a_server_that_was_demoted_are_replaced_soon(pool: PgPool) {
    sqlx::raw_sql("create table note ()").execute(&pool).await.expect("a table");
    let server = std::env::var("DATABASE_URL").expect("the test server");
    let mut administrator = PgConnection::connect(&server).await.expect("a connection");
    let name = pool.connect_options().get_database().expect("a name").to_owned();
    let mut set = async |how: &str| {
        let set = format!("alter database \"{name}\" {how}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut administrator).await.expect("set");
    };
    // Sessions that begin now are read-only for as long as they last, as those to a standby are.
    set("set default_transaction_read_only = on").await;
    let ours = database::connect_with(pool.connect_options().as_ref().clone(), 2);
    let write = async || sqlx::query("insert into note default values").execute(&ours).await;
    let (one, other) = tokio::join!(write(), write());
    for outcome in [one, other] {
        assert!(database::is_away(&outcome.expect_err("read-only")));
    }
    set("reset default_transaction_read_only").await;
    eventually("notes are written", Duration::from_secs(5), async || {
        write().await.inspect_err(|error| assert!(database::is_away(error), "{error}")).ok()
    })
    .await;
}

#[test]
fn a_part_that_a_service_takes_up_later_gets_versions_that_are_free() {
    let own = |version| {
        sqlx::migrate::Migration::new(
            version,
            "own".into(),
            sqlx::migrate::MigrationType::Simple,
            sqlx::SqlStr::from_static("select"),
            false,
        )
    };
    let first = event_bus::inbox::MIGRATIONS[0].version;
    let own = sqlx::migrate::Migrator {
        migrations: vec![own(first), own(first + 1)].into(),
        ..sqlx::migrate::Migrator::DEFAULT
    };
    let all = database::migrations(own, &[event_bus::inbox::MIGRATIONS]);
    let versions: Vec<i64> = all.iter().map(|migration| migration.version).collect();
    assert_eq!(versions[..3], [first, first + 1, first + 2]);
    assert_eq!(versions.len(), 2 + event_bus::inbox::MIGRATIONS.len());
}

#[sqlx::test(migrations = false)]
async fn an_older_release_migrates_a_database_of_a_newer_one_and_changes_nothing(pool: PgPool) {
    let of = |migrations| database::migrations(sqlx::migrate::Migrator::DEFAULT, &[migrations]);
    let (newer, older) = (of(event_bus::inbox::MIGRATIONS), of(&event_bus::inbox::MIGRATIONS[..1]));
    newer.run(&pool).await.expect("the newer release migrates");
    older.run(&pool).await.expect("the older release finds nothing to do");
    database::is_ready(&pool, &older).await.expect("the older release serves");
    database::is_ready(&pool, &newer).await.expect("nothing was taken back");
}

#[sqlx::test(migrations = false)]
async fn a_database_that_lacks_one_migration_is_not_ready_though_it_has_the_newest(pool: PgPool) {
    let all = database::migrations(sqlx::migrate::Migrator::DEFAULT, &[event_bus::inbox::MIGRATIONS]);
    all.run(&pool).await.expect("migrated");
    let lacking = event_bus::inbox::MIGRATIONS[1].version;
    let forget = sqlx::query("delete from _sqlx_migrations where version = $1").bind(lacking);
    forget.execute(&pool).await.expect("forgotten");
    let error = database::is_ready(&pool, &all).await.expect_err("not ready");
    assert!(error.to_string().contains(&lacking.to_string()), "{error}");
    assert!(!error.to_string().contains(','), "and no other: {error}");
}

#[sqlx::test(migrations = false)]
async fn a_migration_that_waits_for_a_table_lets_others_use_it(pool: PgPool) {
    let one = |version, sql| {
        Migration::new(version, "one".into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    let migrator = Migrator {
        migrations: vec![one(1, "create table tent ()"), one(2, "alter table tent add column price int")]
            .into(),
        ..Migrator::DEFAULT
    };
    let first = Migrator { migrations: migrator.migrations[..1].to_vec().into(), ..Migrator::DEFAULT };
    first.run(&pool).await.expect("the table is made");
    let mut backup = pool.begin().await.expect("begun");
    sqlx::raw_sql("lock table tent in access share mode").execute(&mut *backup).await.expect("locked");
    let name = pool.connect_options().get_database().expect("a name").to_owned();
    let server = std::env::var("DATABASE_URL").expect("run the tests with `cargo shop test`");
    let (server, _) = server.rsplit_once('/').expect("a database");
    let settings = DatabaseSettings { url: format!("{server}/{name}").into(), max_connections: 1 };
    let others = async {
        eventually("it waits", Duration::from_secs(10), async || {
            let waiting = "select count(*) from pg_locks where not granted and relation = 'tent'::regclass";
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await.expect("locks");
            (waiting > 0).then_some(())
        })
        .await;
        let read = sqlx::query("select from tent").execute(&pool);
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("soon").expect("read");
        backup.commit().await.expect("done");
    };
    let (migrated, ()) = tokio::join!(database::migrate(&settings, &migrator), others);
    migrated.expect("migrated");
    sqlx::query("select price from tent").execute(&pool).await.expect("it has the column");
}
