//! A pool that outlives what happens to its connections.

use std::time::Duration;

use service_kit::database;
use sqlx::postgres::{PgConnectOptions, PgPool};
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
