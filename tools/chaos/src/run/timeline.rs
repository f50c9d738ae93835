//! What could be seen from outside while something was broken.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{check::Recorder, workload::Counters};
use harness::Environment;

/// How often somebody looks.
const EVERY: Duration = Duration::from_millis(250);

/// A look that takes longer has seen nothing.
const DEADLINE: Duration = Duration::from_millis(700);

/// How much longer nobody looks than a look has taken: what is watched has the machine.
const REST: u32 = 9;

/// One look. What could not be read is missing.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    /// Seconds since the first look.
    pub(crate) at: f64,
    /// Events that wait to be published.
    pub(crate) pending: Option<i64>,
    /// Alerts written so far, since the database's statistics began.
    pub(crate) alerts: Option<i64>,
    /// Messages that the recorder has seen so far.
    pub(crate) published: usize,
    /// Operations that were done so far.
    pub(crate) done: u64,
}

/// A run's looks, and when the fault began and ended.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Timeline {
    /// The looks, in order.
    pub(crate) points: Vec<Point>,
    /// When the fault began, in seconds since the first look.
    pub(crate) injected: f64,
    /// When it was mended.
    pub(crate) healed: f64,
}

/// A timeline that is being taken down.
pub(crate) struct Watching {
    began: Instant,
    stop: CancellationToken,
    looking: JoinHandle<Vec<Point>>,
}

impl Timeline {
    /// Looks every now and then until it is stopped.
    pub(crate) fn start(
        environment: &Environment,
        recorder: &Recorder,
        counters: &Arc<Counters>,
    ) -> Watching {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let (catalog, basket) = (eye(&environment.catalog), eye(&environment.basket));
        let (recorder, counters, until) = (recorder.clone(), Arc::clone(counters), stop.clone());
        let looking = tokio::spawn(async move {
            let mut points = Vec::new();
            let mut pause = Duration::ZERO;
            while until.run_until_cancelled(sleep(pause)).await.is_some() {
                let pending = "select count(*) from integration_event_log where state in ('NotPublished', 'InProgress')";
                let alerts = "select n_tup_ins from pg_stat_user_tables where relname = 'alert'";
                let looked = Instant::now();
                points.push(Point {
                    at: began.elapsed().as_secs_f64(),
                    pending: count(&catalog, pending).await,
                    alerts: count(&basket, alerts).await,
                    published: recorder.len(),
                    done: counters.counts().0,
                });
                pause = EVERY.max(looked.elapsed() * REST);
            }
            points
        });
        Watching { began, stop, looking }
    }
}

impl Watching {
    /// Ends it.
    pub(crate) async fn stop(self, injected: Instant, healed: Instant) -> Timeline {
        self.stop.cancel();
        let since = |moment: Instant| moment.saturating_duration_since(self.began).as_secs_f64();
        let (injected, healed) = (since(injected), since(healed));
        Timeline { points: self.looking.await.unwrap_or_default(), injected, healed }
    }
}

/// A connection of its own: a count of a million rows that nobody waits for any more must not keep one from
/// the checks. The server gives it up as well.
fn eye(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let limits = [
        ("statement_timeout", format!("{}ms", DEADLINE.as_millis())),
        ("max_parallel_workers_per_gather", "0".to_owned()),
    ];
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(DEADLINE)
        .connect_lazy_with(options.options(limits))
}

async fn count(pool: &PgPool, query: &'static str) -> Option<i64> {
    timeout(DEADLINE, sqlx::query_scalar(query).fetch_one(pool)).await.ok()?.ok()
}
