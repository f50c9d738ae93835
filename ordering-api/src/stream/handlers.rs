//! One buyer's changes as server-sent events.
//!
//! A stream remembers the last change that it sent. It reads later ones a page at a time, and only when the client has
//! taken the page before. So it sends every change once and in order, and holds at most one page, however slow the
//! client is.

use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::problem::{Problem, Query};
use service_kit::retry::retried;
use service_kit::server::Stopping;
use service_kit::sse::{self, OpenStream, StreamEnd, StreamPool};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::hub::Hub;
use crate::orders::{BuyerId, OrderId, Reason, Status};

/// Changes in a page.
const PAGE: i64 = 100;
/// How long the database may take for a page.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long after a failure a page is read again.
const PAUSE: Duration = Duration::from_secs(1);
/// When a client that loses its stream connects again.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);
/// Adds the route.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(stream_changes);
}

/// A change of an order, as the stream sends it.
#[derive(Debug, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrderChanged {
    #[serde(skip)]
    number: i64,
    order_id: OrderId,
    status: Status,
    reason: Option<Reason>,
    version: i64,
    #[sqlx(rename = "changed_at")]
    at: DateTime<Utc>,
}

/// Where a stream begins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamFrom {
    last_event_id: Option<u64>,
}

/// Sends the changes of the caller's orders as they come, as server-sent events.
///
/// Each is an event `order-changed`. With `Last-Event-ID` (which browsers send when they connect again) or
/// `lastEventId`, what came after that one is sent first; without, only what comes from now on. A comment every 15
/// seconds shows that the stream lives. It ends with the token, and when the service stops.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "the last change that was received"),
        ("lastEventId" = Option<u64>, Query, description = "the same, for clients that cannot set headers"),
    ),
    responses(
        (status = 200, description = "the stream", body = String, content_type = "text/event-stream"),
        (status = 400, description = "not the id of a change"),
        (status = 429, description = "the buyer has too many streams open: see `Retry-After`"),
        (status = 503, description = "too many streams are open, or the database is away: see `Retry-After`"),
    )
)]
#[get("/api/v1/orders/stream")]
async fn stream_changes(
    request: HttpRequest,
    identity: Identity,
    Query(from): Query<StreamFrom>,
    hub: web::Data<Hub>,
    pool: web::Data<StreamPool>,
    stopping: web::Data<Stopping>,
) -> Result<HttpResponse, Problem> {
    let from = sse::last_event_id(request.headers())?.or(from.last_event_id);
    let buyer = identity.buyer()?;
    let open = hub.0.open(&buyer).map_err(Problem::from)?;
    let newest = newest(&pool.0, &buyer).await?;
    // A number after the newest is from before the database was restored: waiting for it would skip changes.
    let last = from.and_then(|number| i64::try_from(number).ok()).map_or(newest, |number| number.min(newest));
    let changes =
        Changes { pool: pool.0.clone(), buyer, end: open.end(&stopping.0, identity.expires_at), open, last };
    Ok(sse::respond(RECONNECT_AFTER, changes.into_events()))
}

async fn newest(pool: &PgPool, buyer: &BuyerId) -> Result<i64, Problem> {
    let newest = retried(|| async {
        sqlx::query_scalar("select coalesce(max(last_change), 0) from order_buyer where buyer_id = $1")
            .bind(buyer)
            .fetch_one(pool)
            .await
    });
    let unavailable = |_elapsed| Problem::unavailable("the database cannot be used now, try again", 1);
    Ok(tokio::time::timeout(DEADLINE, newest).await.map_err(unavailable)??)
}

/// The state of one stream.
struct Changes {
    pool: PgPool,
    buyer: BuyerId,
    open: OpenStream<i64>,
    end: StreamEnd,
    /// The last change that was sent, or the one to start after.
    last: i64,
}

impl Changes {
    fn into_events(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, async |mut state| Some((state.next().await?, state)))
    }

    async fn next(&mut self) -> Option<Bytes> {
        self.open.record_read();
        self.end.clone().or(self.next_page()).await
    }

    /// Waits for changes that were not sent yet. Cancel safe: a dropped call loses nothing.
    async fn next_page(&mut self) -> Bytes {
        loop {
            let last = self.last;
            if self.open.known.wait_for(|newest| *newest > last).await.is_err() {
                // The hub cannot go away while this stream is subscribed; if it did, the heartbeat would go on.
                std::future::pending::<()>().await;
            }
            match tokio::time::timeout(DEADLINE, read(&self.pool, &self.buyer, last)).await {
                Ok(Ok(changes)) if !changes.is_empty() => {
                    self.last = changes.last().map_or(last, |change| change.number);
                    return encode(&changes);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "cannot read changes for a stream; will try again"),
                Err(_elapsed) => tracing::debug!("the database does not answer a stream"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn read(pool: &PgPool, buyer: &BuyerId, after: i64) -> Result<Vec<OrderChanged>, sqlx::Error> {
    retried(|| async {
        sqlx::query_as(
            "select number, order_id, status, reason, version, changed_at from order_change
              where buyer_id = $1 and number > $2 order by number limit $3",
        )
        .bind(buyer)
        .bind(after)
        .bind(PAGE)
        .fetch_all(pool)
        .await
    })
    .await
}

fn encode(changes: &[OrderChanged]) -> Bytes {
    let mut text = String::new();
    for change in changes {
        match serde_json::to_string(change) {
            Ok(data) => text.push_str(&sse::event("order-changed", Some(change.number), &data)),
            Err(error) => tracing::error!(%error, "a change of an order cannot be written as JSON"),
        }
    }
    text.into()
}
