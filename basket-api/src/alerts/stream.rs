//! One buyer's alerts as server-sent events.
//!
//! A stream remembers the last alert that it sent. It takes later alerts from the hub. If it is further behind,
//! it reads them a page at a time, and only when the client has taken the page before. So it sends every alert
//! once and in order, and holds at most one page, however slow the client is.

use std::time::Duration;

use actix_web::web::Bytes;
use event_bus::{
    TraceContext,
    span::{KeyValue, Span, SpanKind},
};
use futures_util::{Stream, stream};
use service_kit::{
    retry::retried,
    sse::{self, StreamEnd},
};
use sqlx::PgPool;

use super::{
    hub::Subscription,
    model::{Alert, AlertId},
    store,
};
use crate::baskets::BuyerId;

/// Alerts in a page.
const PAGE: i64 = 100;

/// How long the database may take for a page.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long after a failure a page is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// The state of one stream.
#[derive(Debug)]
pub struct AlertStream {
    /// Where alerts are read from.
    pub pool: PgPool,
    /// Whose alerts.
    pub buyer: BuyerId,
    /// The subscription at the hub.
    pub subscription: Subscription,
    /// The last alert that was sent, or the one to start after.
    pub last: AlertId,
    /// When the stream ends.
    pub end: StreamEnd,
}

impl AlertStream {
    /// The events, until the service stops, the token expires, or the client disconnects.
    pub fn into_events(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, async |mut state| Some((state.next().await?, state)))
    }

    async fn next(&mut self) -> Option<Bytes> {
        self.subscription.open.record_read();
        self.end.clone().or(self.next_page()).await
    }

    /// Waits for alerts that were not sent yet. Cancel safe: a dropped call loses nothing.
    async fn next_page(&mut self) -> Bytes {
        loop {
            let latest = self.subscription.open.known.borrow_and_update().clone();
            if latest.newest.is_none_or(|newest| newest <= self.last) {
                // The hub cannot go away while this stream is subscribed; if it did, the heartbeat would go on.
                if self.subscription.open.known.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let unsent = if self.last >= latest.since {
                latest.alerts.iter().filter(|alert| alert.id > self.last).cloned().collect()
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
                self.last = latest.newest.unwrap_or(self.last);
                continue;
            };
            self.last = last.id;
            return encode(&unsent);
        }
    }

    async fn read(&self) -> Result<Vec<Alert>, String> {
        let page = retried(|| async {
            store::after(&mut *self.pool.acquire().await?, &self.buyer, self.last, PAGE).await
        });
        match tokio::time::timeout(DEADLINE, page).await {
            Ok(page) => page.map_err(|error: sqlx::Error| error.to_string()),
            Err(_elapsed) => Err("the database does not answer".to_owned()),
        }
    }
}

/// The last step of a price change: its alert goes to a stream.
fn alert_span(alert: &Alert) -> Span {
    let raised = alert.traceparent.as_deref().and_then(|parent| TraceContext::parse(parent, None));
    Span::within(&raised.unwrap_or_default(), SpanKind::Producer, || {
        let event = KeyValue::new("messaging.message.id", alert.event_id.to_string());
        ("send price-alert".to_owned(), vec![event, KeyValue::new("messaging.operation.type", "send")])
    })
}

fn encode(alerts: &[Alert]) -> Bytes {
    let mut text = String::new();
    for alert in alerts {
        let _step = alert_span(alert);
        match serde_json::to_string(alert) {
            Ok(data) => text.push_str(&sse::event("price-alert", Some(alert.id.0), &data)),
            Err(error) => {
                tracing::error!(%error, alert.id = alert.id.0, "an alert cannot be written as JSON");
            }
        }
    }
    text.into()
}
