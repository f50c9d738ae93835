//! One buyer's alerts as server-sent events.
//!
//! A stream remembers the last alert that it sent. What comes after that it takes from the hub's news, or,
//! where it is further behind, reads a page at a time, and only when the client has taken the page before.
//! So it sends every alert once and in order, and holds no more than a page, whatever the client's pace.

use std::{convert::Infallible, fmt::Write, time::Duration};

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    hub::Subscription,
    model::{Alert, AlertId},
    store,
};
use crate::baskets::BuyerId;

/// How often something is sent, at least, so that proxies and clients see that the stream lives.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Alerts that are read, and sent, at once.
const PAGE: i64 = 100;

/// How long the database may take for a page.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long after a failure a page is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// The beginning of every stream: the time in ms after which a client connects again, and a comment,
/// so that the client knows at once that it is connected.
const GREETING: &str = "retry: 2000\n: connected\n\n";

/// The comment that says that the stream lives.
const ALIVE: &str = ": alive\n\n";

/// The state of one stream.
#[derive(Debug)]
pub struct AlertStream {
    /// Where alerts are read from.
    pub pool: PgPool,
    /// Whose alerts.
    pub buyer: BuyerId,
    /// The place in the hub.
    pub subscription: Subscription,
    /// The last alert that was sent, or from which on to send.
    pub last: AlertId,
    /// When the buyer's token expires, and the stream ends.
    pub expires_at: DateTime<Utc>,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

impl AlertStream {
    /// The bytes to send: until the service stops, the token expires, or the client goes away.
    pub fn into_bytes(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let greeting = stream::iter([Ok(Bytes::from_static(GREETING.as_bytes()))]);
        let alerts = stream::unfold(self, async |mut state| Some((Ok(state.next().await?), state)));
        futures_util::StreamExt::chain(greeting, alerts)
    }

    async fn next(&mut self) -> Option<Bytes> {
        self.subscription.is_read();
        let left = (self.expires_at - Utc::now()).to_std().unwrap_or_default();
        let expired = tokio::time::sleep(left);
        let heartbeat = tokio::time::sleep_until(Instant::now() + HEARTBEAT);
        let (stop, dropped) = (self.stop.clone(), self.subscription.dropped.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = dropped.cancelled() => None,
            () = expired => None,
            page = self.next_page() => Some(page),
            () = heartbeat => Some(Bytes::from_static(ALIVE.as_bytes())),
        }
    }

    /// Waits for alerts that were not sent yet. May be dropped at any point without losing one.
    async fn next_page(&mut self) -> Bytes {
        loop {
            let news = self.subscription.news.borrow_and_update().clone();
            if news.newest.is_none_or(|newest| newest <= self.last) {
                // It cannot close while this stream has its place; if it did, the heartbeat goes on.
                if self.subscription.news.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let unsent = if self.last >= news.since {
                news.alerts.iter().filter(|alert| alert.id > self.last).cloned().collect()
            } else {
                match self.read().await {
                    Ok(alerts) => alerts,
                    Err(error) => {
                        tracing::debug!(error, "cannot read alerts for a stream; will try again");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
            };
            let Some(last) = unsent.last() else {
                self.last = news.newest.unwrap_or(self.last);
                continue;
            };
            self.last = last.id;
            return encode(&unsent);
        }
    }

    async fn read(&self) -> Result<Vec<Alert>, String> {
        let page =
            async { store::after(&mut *self.pool.acquire().await?, &self.buyer, self.last, PAGE).await };
        match tokio::time::timeout(DEADLINE, page).await {
            Ok(page) => page.map_err(|error: sqlx::Error| error.to_string()),
            Err(_elapsed) => Err("the database does not answer".to_owned()),
        }
    }
}

/// Writes alerts as events (WHATWG HTML, section 9.2.6). JSON has no line breaks in it.
fn encode(alerts: &[Alert]) -> Bytes {
    let mut text = String::new();
    for alert in alerts {
        let written = serde_json::to_string(alert)
            .map_err(|_error| std::fmt::Error)
            .and_then(|data| write!(text, "event: price-alert\nid: {}\ndata: {data}\n\n", alert.id.0));
        if written.is_err() {
            tracing::error!(alert.id = alert.id.0, "an alert cannot be written as JSON");
        }
    }
    text.into()
}
