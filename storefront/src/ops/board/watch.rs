//! One look a second for all who watch, and none when nobody does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::history::History;
use super::snapshot::Snapshot;
use crate::ops::api::OpsApi;
use crate::session::User;

/// How often everybody is asked.
const EVERY: Duration = Duration::from_secs(1);

/// For how long after the last visitor it goes on.
const LINGER: Duration = Duration::from_mins(2);

/// How long a page waits for the first look.
const PATIENCE: Duration = Duration::from_secs(4);

/// The looks of this process. Cheap to clone.
#[derive(Clone)]
pub(in crate::ops) struct Watch {
    api: OpsApi,
    state: Arc<Mutex<State>>,
    seen: Arc<watch::Sender<Option<Arc<Seen>>>>,
}

/// What is seen now, and was in the last minutes.
pub(super) struct Seen {
    pub(super) now: Snapshot,
    pub(super) history: History,
}

#[derive(Default)]
struct State {
    /// Until when somebody watches, and on whose behalf the services are asked.
    wanted: Option<(Instant, User)>,
    is_looking: bool,
}

impl Watch {
    pub(in crate::ops) fn new(api: OpsApi) -> Self {
        Self { api, state: Arc::default(), seen: Arc::new(watch::Sender::new(None)) }
    }

    /// Says that an operator watches, and listens to what is seen from now on.
    pub(super) fn join(&self, user: &User) -> watch::Receiver<Option<Arc<Seen>>> {
        let seen = self.seen.subscribe();
        self.stay(user);
        seen
    }

    /// Says that an operator still watches.
    pub(super) fn stay(&self, user: &User) {
        let mut state = self.lock();
        state.wanted = Some((Instant::now() + LINGER, user.clone()));
        if !state.is_looking {
            state.is_looking = true;
            // What was seen when the last visitor left is not what is now.
            self.seen.send_modify(|seen| *seen = None);
            tokio::spawn(self.clone().look());
        }
    }

    /// What is seen now; `None` where the first look takes too long.
    pub(super) async fn seen(&self, user: &User) -> Option<Arc<Seen>> {
        let mut seen = self.join(user);
        let first = tokio::time::timeout(PATIENCE, seen.wait_for(Option::is_some)).await;
        first.ok()?.ok()?.clone()
    }

    async fn look(self) {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut history = History::default();
        let _done = Done(&self);
        while let Some(user) = self.wanted_by() {
            turns.tick().await;
            let now = Snapshot::take(&self.api, &user).await;
            history.add(&now);
            let seen = Arc::new(Seen { now, history: history.clone() });
            self.seen.send_modify(|latest| *latest = Some(seen));
        }
    }

    /// On whose behalf to look again; `None` when nobody watches any more.
    fn wanted_by(&self) -> Option<User> {
        let mut state = self.lock();
        let is_watched =
            |(until, user): &(Instant, User)| *until > Instant::now() && user.expires_at > Utc::now();
        let user = state.wanted.as_ref().filter(|wanted| is_watched(wanted)).map(|(_, user)| user.clone());
        // Under the same lock: who joins from now on begins anew.
        state.is_looking = user.is_some();
        user
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next visitor begin anew, however looking ended: its thread may have been stopped.
struct Done<'a>(&'a Watch);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_looking = false;
        }
    }
}
