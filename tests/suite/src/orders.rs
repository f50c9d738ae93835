//! What takes orders and has them paid, beside a suite.

use std::process::Command;

use test_kit::Process;

use crate::{Database, Suite, path_of};

/// How long a buyer can think again, in these tests, in seconds.
const GRACE: &str = "2";

/// Ordering, the payment processor and the sandbox, as processes.
pub struct Orders {
    /// Ordering's process.
    pub ordering: Process,
    /// The payment processor's.
    pub payment: Process,
    /// The payment provider's.
    pub sandbox: Process,
    relay: Process,
    /// Ordering's database.
    pub database: Database,
    _of_payment: Database,
    broker: String,
}

impl Orders {
    /// Makes the databases, and starts the processes and a relay of theirs.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open(suite: &Suite) -> Self {
        let (ordering, payment) = (Database::create("ordering").await, Database::create("payment").await);
        let broker = ("APP__BROKER__URL", suite.vhost.url.as_str());
        let sandbox = start("payment-sandbox", &[("APP__HTTP__REQUEST_TIMEOUT_MS", "3600000")]);
        let of_ordering =
            [("APP__DATABASE__URL", ordering.url.as_str()), broker, ("APP__ORDERS__GRACE_PERIOD_S", GRACE)];
        let of_payment =
            [("APP__DATABASE__URL", payment.url.as_str()), broker, ("APP__PROVIDER__URL", &sandbox.url)];
        migrate("ordering-api", &of_ordering);
        migrate("payment-processor", &of_payment);
        let relay = start(
            "outbox-relay",
            &[
                ("APP__DATABASES__ORDERING__URL", ordering.url.as_str()),
                ("APP__DATABASES__PAYMENT__URL", payment.url.as_str()),
                broker,
            ],
        );
        let (ordering_process, payment_process) =
            (start("ordering-api", &of_ordering), start("payment-processor", &of_payment));
        for process in [&ordering_process, &payment_process] {
            process.until_ready(true).await;
        }
        Self {
            ordering: ordering_process,
            payment: payment_process,
            sandbox,
            relay,
            database: ordering,
            _of_payment: payment,
            broker: suite.vhost.url.clone(),
        }
    }

    /// Starts another process of ordering, with these settings over the usual ones.
    pub fn start_ordering(&self, settings: &[(&str, &str)]) -> Process {
        let usual = [
            ("APP__DATABASE__URL", self.database.url.as_str()),
            ("APP__BROKER__URL", &self.broker),
            ("APP__ORDERS__GRACE_PERIOD_S", "0"),
        ];
        start("ordering-api", &[&usual, settings].concat())
    }

    /// The relay of their events.
    pub fn relay(&self) -> &Process {
        &self.relay
    }
}

fn command(binary: &'static str, settings: &[(&str, &str)]) -> Command {
    let usual = [
        ("APP__MODE", "development"),
        ("APP__HTTP__PORT", "0"),
        ("APP__AUTH__SECRET", "shop-development-secret-not-for-production"),
    ];
    let mut command = Command::new(path_of(binary));
    command.env_clear().envs(usual).envs(settings.iter().copied());
    command
}

fn start(binary: &'static str, settings: &[(&str, &str)]) -> Process {
    Process::start(binary, command(binary, settings))
}

fn migrate(binary: &'static str, settings: &[(&str, &str)]) {
    let output = command(binary, settings).arg("migrate").output().expect("a binary to start");
    assert!(output.status.success(), "{binary} migrate: {}", String::from_utf8_lossy(&output.stderr));
}
