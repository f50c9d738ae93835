//! What takes orders and has them paid, beside a suite.

use test_kit::Process;

use crate::{
    Database, Suite,
    program::{migrate, start},
};

/// How long a buyer can think again, in these tests, in seconds.
pub const GRACE: &str = "2";

/// Ordering, the payment processor and the sandbox, as processes.
pub struct Orders {
    /// Ordering's process.
    pub ordering: Process,
    /// The payment processor's.
    pub payment: Process,
    /// The payment provider's.
    pub sandbox: Process,
    /// The relay's.
    pub relay: Process,
    /// Ordering's database.
    pub database: Database,
    /// The payment processor's database.
    pub payments: Database,
    broker: String,
}

impl Orders {
    /// Makes the databases, and starts the processes and a relay of theirs.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open(suite: &Suite) -> Self {
        Self::open_with(suite, &[]).await
    }

    /// The same, with these settings over the usual ones.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open_with(suite: &Suite, settings: &[(&str, &str)]) -> Self {
        let (ordering, payment) = (Database::create("ordering").await, Database::create("payment").await);
        let broker = ("APP__BROKER__URL", suite.vhost.url.as_str());
        let sandbox = start("payment-sandbox", &[("APP__HTTP__REQUEST_TIMEOUT_MS", "3600000")]);
        let of_ordering =
            [("APP__DATABASE__URL", ordering.url.as_str()), broker, ("APP__ORDERS__GRACE_PERIOD_S", GRACE)];
        let of_ordering = [&of_ordering, settings].concat();
        let of_payment =
            [("APP__DATABASE__URL", payment.url.as_str()), broker, ("APP__PROVIDER__URL", &sandbox.url)];
        let of_payment = [&of_payment, settings].concat();
        migrate("ordering-api", &of_ordering);
        migrate("payment-processor", &of_payment);
        let of_relay = [
            ("APP__DATABASES__ORDERING__URL", ordering.url.as_str()),
            ("APP__DATABASES__PAYMENT__URL", payment.url.as_str()),
            broker,
        ];
        let relay = start("outbox-relay", &[&of_relay, settings].concat());
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
            payments: payment,
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
