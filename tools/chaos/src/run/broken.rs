//! The checks, run on a suite that is known to be broken.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use shop::terminal::complain;
use sqlx::{AssertSqlSafe, PgPool};

use super::{Runner, Verdict};
use crate::faults;
use harness::Environment;

/// How long a broken suite may try to come to rest: it never will.
const SHORT: Duration = Duration::from_secs(8);

/// A safety, the fault that it is there for, and what has to be said when it is missing.
const SAFETIES: [(&str, &str, &str); 17] = [
    ("inbox", "message-repeated", "never received"),
    ("version-guard", "message-older-than-known", "applied after a newer one"),
    // Several events of one key fail for themselves, and more than its first one is blocked.
    ("waiting", "handler-fails", "missing when all should be at rest"),
    ("confirms", "broker-frozen-and-killed", "marked published and seen nowhere"),
    ("ownership", "calm", "published again without a reason"),
    ("alternate-exchange", "event-nobody-wants", "does not become Published"),
    ("refused-alone", "broker-type-refused", "while a type is refused"),
    ("nacked-alone", "broker-queue-of-a-type-full", "while the queue of another type is full"),
    ("release", "relay-loses-its-broker", "own the partitions after"),
    ("generation", "catalog-restored", "converged"),
    (SCHEDULED_IN_TIME, "scheduled-events", "before it was due"),
    (SCHEDULED_ONCE, "scheduled-events", "is announced and was cancelled"),
    ("reservation", "orders-calm", "stock is not what there was"),
    ("idempotency-key", "orders-payment-killed", "charged more than once"),
    ("compensation", "orders-calm", "reserved for nobody"),
    ("timers-once", "orders-calm", "a timer went off again"),
    ("message-id", "users-mail-dies", "more than one Message-ID"),
];

/// A scheduled event is moved into the log when it is due.
const SCHEDULED_IN_TIME: &str = "scheduled-in-time";

/// A scheduled event that is moved can no longer be cancelled.
const SCHEDULED_ONCE: &str = "scheduled-once";

/// What became of the suite without one of its safeties.
#[derive(Debug, Serialize)]
pub(crate) struct Broken {
    /// What was removed.
    pub(crate) without: &'static str,
    /// What was done then.
    pub(crate) fault: &'static str,
    /// Whether the checks have said so.
    pub(crate) noticed: bool,
    /// What they have said.
    pub(crate) violations: Vec<String>,
}

impl Runner {
    /// Removes one safety at a time, all or those that are named, and runs the fault that it is for. Each has an environment
    /// of its own.
    pub(crate) async fn broken(&mut self, chosen: &[String]) -> Result<Vec<Broken>> {
        for name in chosen {
            ensure!(SAFETIES.iter().any(|(safety, ..)| safety == name), "there is no safety {name:?}");
        }
        let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
        let mut all = Vec::new();
        for (without, name, said) in SAFETIES.into_iter().filter(|(safety, ..)| is_chosen(safety)) {
            let fault = faults::named(name)?;
            complain(format!("  … without {without}: {}", fault.about));
            self.environment.kill_all();
            self.environment.variables = vec![("WITHOUT".to_owned(), without.to_owned())];
            remove(&self.environment, without).await?;
            let limit = std::mem::replace(&mut self.limit, SHORT);
            let outcome = self.run(&fault, 0).await;
            self.limit = limit;
            let noticed =
                outcome.verdict == Verdict::Fail && outcome.violations.iter().any(|text| text.contains(said));
            complain(format!(
                "  {} without {without}: {}",
                if noticed { '✓' } else { '✗' },
                outcome.violations.join("; ")
            ));
            all.push(Broken { without, fault: fault.name, noticed, violations: outcome.violations });
            // What it has left behind, or a fault that was broken off, would break the next one.
            self.environment.variables.clear();
            *self = self.anew().await?;
        }
        Ok(all)
    }
}

/// Removes a safety that is not in the services' own code.
async fn remove(environment: &Environment, safety: &str) -> Result<()> {
    match safety {
        "alternate-exchange" => environment.make_exchange(false).await,
        SCHEDULED_IN_TIME => {
            let early = [("<= clock_timestamp()", "<= (clock_timestamp() + interval '2 s')")];
            alter(&environment.catalog, &early).await
        }
        SCHEDULED_ONCE => {
            let stays = [("(scheduled.scheduled_id = due.scheduled_id)", "false")];
            alter(&environment.catalog, &stays).await
        }
        _ => Ok(()),
    }
}

/// Replaces parts of the function that moves due events into the log.
async fn alter(catalog: &PgPool, parts: &[(&str, &str)]) -> Result<()> {
    let definition = "select pg_get_functiondef('outbox_release_due'::regproc)";
    let mut definition: String = sqlx::query_scalar(definition).fetch_one(catalog).await?;
    for (from, to) in parts {
        ensure!(definition.contains(from), "outbox_release_due has no {from:?}: {definition}");
        definition = definition.replace(from, to);
    }
    sqlx::raw_sql(AssertSqlSafe(definition)).execute(catalog).await?;
    Ok(())
}
