//! Looks for new alerts on behalf of everybody who listens to this process.
//!
//! It listens on one channel of the database, which whoever commits alerts rings, in whichever process;
//! and it looks by itself every second, for a notification may get lost. One look is one statement,
//! however many listen. While nobody listens it asks the database nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    hub::{Hub, Listener, News},
    model::Alert,
    store::{self, Listening},
};
use crate::baskets::BuyerId;

/// The channel that is rung after alerts were committed.
pub const CHANNEL: &str = "basket_alert";

/// How long a lost notification can delay an alert.
const POLL: Duration = Duration::from_secs(1);

/// How long one look may take before it is given up.
const DEADLINE: Duration = Duration::from_secs(2);

/// The most alerts of one buyer that a look brings; who misses some reads them alone.
const LOOK: i64 = 16;

/// How long after a failure the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

impl Hub {
    /// Watches for alerts until `stop`, through `pool`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if self.listeners().by_buyer.is_empty() {
                stop.run_until_cancelled(self.0.rung.notified()).await;
                continue;
            }
            tokio::select! {
                () = self.look_while_needed(&pool, &stop) => {}
                () = self.listen(&pool) => {}
            }
        }
    }

    /// Listens for ever; a connection that is lost is opened again.
    async fn listen(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.listen_once(pool).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "lost the channel of alerts");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Also at first: whatever was committed before this listened is looked for now.
            self.0.rung.notify_one();
            listener.recv().await?;
        }
    }

    /// Looks for new alerts, again and again, as long as somebody listens.
    async fn look_while_needed(&self, pool: &PgPool, stop: &CancellationToken) {
        let mut is_away = false;
        while !stop.is_cancelled() {
            self.drop_stalled();
            let Some((look, listening)) = self.begin_look() else { return };
            let started = Instant::now();
            match find_news(pool, &listening).await {
                Ok(found) => {
                    self.announce(look, listening, found);
                    is_away = false;
                }
                Err(reason) if is_away => tracing::debug!(reason, "still cannot look for alerts"),
                Err(reason) => {
                    is_away = true;
                    tracing::warn!(reason, "cannot look for alerts; will try again");
                }
            }
            // However many listen and however often it rings, looking takes a quarter of the time at most.
            let rest = (started.elapsed() * 3).min(PAUSE);
            stop.run_until_cancelled(tokio::time::sleep(rest)).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.rung.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Numbers a look, and says for whom it is; `None` when nobody listens.
    fn begin_look(&self) -> Option<(u64, Vec<Listening>)> {
        let mut listeners = self.listeners();
        if listeners.by_buyer.is_empty() {
            return None;
        }
        listeners.looks += 1;
        let known = |listener: &Listener| listener.news.borrow().newest;
        let listening = listeners.by_buyer.iter().map(|(buyer, listener)| (buyer.clone(), known(listener)));
        Some((listeners.looks, listening.collect()))
    }

    /// Tells the streams what a look has found.
    fn announce(&self, look: u64, listening: Vec<Listening>, found: Vec<(BuyerId, Alert)>) {
        let mut by_buyer: HashMap<BuyerId, Vec<Alert>> = HashMap::new();
        for (buyer, alert) in found {
            by_buyer.entry(buyer).or_default().push(alert);
        }
        let listeners = self.listeners();
        for (buyer, known) in listening {
            let Some(listener) = listeners.by_buyer.get(&buyer) else { continue };
            let alerts = by_buyer.remove(&buyer).unwrap_or_default();
            // The last of a buyer's streams may have gone meanwhile, and another come: that one begins anew.
            if listener.news.borrow().newest != known {
                continue;
            }
            match (known, alerts.last().map(|alert| alert.id)) {
                (Some(_), None) => {}
                (None, newest) => {
                    let newest = newest.unwrap_or_default();
                    let news = News { newest: Some(newest), since: newest, alerts: Arc::default() };
                    listener.news.send_replace(news);
                }
                (Some(since), newest @ Some(_)) => {
                    if i64::try_from(alerts.len()).is_ok_and(|found| found >= LOOK) {
                        self.0.rung.notify_one();
                    }
                    listener.news.send_replace(News { newest, since, alerts: alerts.into() });
                }
            }
        }
        drop(listeners);
        self.0.looked.send_replace(look);
    }
}

async fn find_news(pool: &PgPool, listening: &[Listening]) -> Result<Vec<(BuyerId, Alert)>, String> {
    let look = async { store::news(&mut *pool.acquire().await?, listening, LOOK).await };
    match tokio::time::timeout(DEADLINE, look).await {
        Ok(found) => found.map_err(|error: sqlx::Error| error.to_string()),
        Err(_elapsed) => Err("the database does not answer".to_owned()),
    }
}
