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

/// The pause between two points.
const EVERY: Duration = Duration::from_millis(250);

/// A point that takes longer stays empty.
const DEADLINE: Duration = Duration::from_millis(700);

/// How many times as long as taking a point the pause lasts: the machine belongs to what is measured.
const REST: u32 = 9;

/// One point. What could not be read is missing.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    /// Seconds since the first point.
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

/// A run's points, and when the fault began and ended.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Timeline {
    /// The points, in order.
    pub(crate) points: Vec<Point>,
    /// When the fault began, in seconds since the first point.
    pub(crate) injected: f64,
    /// When it was mended.
    pub(crate) healed: f64,
}

/// A timeline that is being taken down.
pub(crate) struct TimelineRecorder {
    began: Instant,
    stop: CancellationToken,
    points: JoinHandle<Vec<Point>>,
}

impl Timeline {
    /// Takes points until it is stopped.
    pub(crate) fn start(
        environment: &Environment,
        recorder: &Recorder,
        counters: &Arc<Counters>,
    ) -> TimelineRecorder {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let (catalog, basket) = (own_pool(&environment.catalog), own_pool(&environment.basket));
        let (recorder, counters, until) = (recorder.clone(), Arc::clone(counters), stop.clone());
        let points = tokio::spawn(async move {
            let mut points = Vec::new();
            let mut pause = Duration::ZERO;
            while until.run_until_cancelled(sleep(pause)).await.is_some() {
                let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
                let alerts = "select n_tup_ins from pg_stat_user_tables where relname = 'alert'";
                let asked = Instant::now();
                points.push(Point {
                    at: began.elapsed().as_secs_f64(),
                    pending: count(&catalog, pending).await,
                    alerts: count(&basket, alerts).await,
                    published: recorder.len(),
                    done: counters.counts().0,
                });
                pause = EVERY.max(asked.elapsed() * REST);
            }
            points
        });
        TimelineRecorder { began, stop, points }
    }
}

impl TimelineRecorder {
    /// Ends it.
    pub(crate) async fn stop(self, injected: Instant, healed: Instant) -> Timeline {
        self.stop.cancel();
        let since = |moment: Instant| moment.saturating_duration_since(self.began).as_secs_f64();
        let (injected, healed) = (since(injected), since(healed));
        Timeline { points: self.points.await.unwrap_or_default(), injected, healed }
    }
}

/// A connection of its own with a statement timeout: an abandoned count of a million rows must not keep a
/// connection from the checks.
fn own_pool(pool: &PgPool) -> PgPool {
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
