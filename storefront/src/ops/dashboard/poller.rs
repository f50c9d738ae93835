//! One snapshot for all open pages, and none while no page is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::samples::Samples;
use super::snapshot::Snapshot;
use super::view::Dashboard;
use crate::ops::api::OpsApi;
use crate::session::User;

/// How long a snapshot answers other pages too.
const FRESH: Duration = Duration::from_millis(500);

/// Takes snapshots, at most one at a time.
#[derive(Default)]
pub(crate) struct Poller(Mutex<State>);

#[derive(Default)]
struct State {
    samples: Samples,
    latest: Option<(Instant, Arc<Dashboard>)>,
}

impl Poller {
    /// The dashboard of this moment. Takes a snapshot on behalf of this user, unless there is a fresh one.
    pub(crate) async fn latest(&self, api: &OpsApi, user: &User) -> Arc<Dashboard> {
        let mut state = self.0.lock().await;
        if let Some((at, dashboard)) = &state.latest
            && at.elapsed() < FRESH
        {
            return Arc::clone(dashboard);
        }
        let snapshot = Snapshot::take(api, user).await;
        state.samples.add(&snapshot);
        let dashboard = Arc::new(Dashboard::new(&snapshot, &state.samples));
        state.latest = Some((Instant::now(), Arc::clone(&dashboard)));
        dashboard
    }
}
