//! Relays behind `PgBouncer` in transaction mode: no session is theirs, and none listens.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{LONG, MOMENT, Stage, assert_in_order, key_version};

/// A `PgBouncer` in front of the test's server, with two sessions for everybody.
struct Pooler {
    process: Child,
    port: u16,
    _files: tempfile::TempDir,
}

impl Pooler {
    async fn start(pool: &PgPool) -> Self {
        let binary = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let binary = binary.into_iter().find(|path| Path::new(path).is_file());
        let binary = binary.expect("pgbouncer: `cargo shop test` installs it");
        let server = pool.connect_options();
        let url = std::env::var("DATABASE_URL").unwrap();
        let password = url.split_once("://").unwrap().1.split_once('@').unwrap().0;
        let password =
            password.split_once(':').map_or(String::new(), |(_, password)| format!("password={password}"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let files = tempfile::tempdir().unwrap();
        std::fs::set_permissions(files.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={} {password}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 2\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\n",
            server.get_port(),
            server.get_username(),
        );
        let file = files.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(binary);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.args(["--user", "nobody"]);
        }
        let process = command.arg("--quiet").arg(file).stdin(Stdio::null()).spawn().unwrap();
        eventually("the pooler listens", LONG, async || TcpStream::connect(("127.0.0.1", port)).ok()).await;
        Self { process, port, _files: files }
    }

    fn url(&self, pool: &PgPool) -> String {
        let database = pool.connect_options().get_database().unwrap().to_owned();
        format!("postgres://relay@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn behind_a_transaction_pooler_relays_share_work_keep_order_and_take_over_when_a_lease_ends(
    pool: PgPool,
) {
    let pooler = Pooler::start(&pool).await;
    let mut stage = Stage::set(pool).await;
    let relay = || {
        let setup = stage.relay().env("APP__DATABASES__TEST__URL", &pooler.url(&stage.log.pool));
        setup.env("APP__DATABASES__TEST__NOTIFICATIONS", "false").env("APP__RELAY__BATCH_SIZE", "10")
    };
    let one = relay().start();
    let _two = relay().start();
    let shared = "select count(*) from outbox_partition where relay_id is not null group by relay_id";
    eventually("both own half", LONG, async || {
        let owners: Vec<i64> = sqlx::query_scalar(shared).fetch_all(&stage.log.pool).await.unwrap();
        (owners == [32, 32]).then_some(())
    })
    .await;
    stage.log.raise_many(20, 10).await;
    stage.log.drained().await;

    // Killed: its session is the pooler's and stays, so the others wait for the end of its lease.
    one.signal(test_kit::Signal::KILL);
    stage.log.raise_many_from(20, 11, 10).await;
    eventually("the other has taken over", Duration::from_secs(8), async || {
        (stage.log.count("NotPublished").await == 0).then_some(())
    })
    .await;
    let mut seen = Vec::new();
    while let Some(message) = stage.probe.try_next(MOMENT).await {
        seen.push(key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 400, "nothing is lost");
}
