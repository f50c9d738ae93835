//! The routes of a buyer's alerts.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    get,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    post, web,
};
use serde::{Deserialize, Deserializer};
use service_kit::{
    app::Applied,
    problem::{Json, Problem, Query},
    retry::retried,
    server::Stopping,
    sse::{self, StreamPool},
};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    hub::Hub,
    model::{AlertId, AlertPage},
    store::{self, Acknowledged},
    stream::AlertStream,
};
use crate::baskets::route::Buyer;
use crate::page::PageQuery;

/// The most alerts that one request acknowledges by id.
const MAX_IDS: usize = 1_000;

/// When a client that loses its stream connects again.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// How long a new stream may wait for the database.
const STREAM_BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_alerts).service(acknowledge_alerts).service(stream_alerts);
}

/// Lists the buyer's alerts, newest first.
#[utoipa::path(
    tag = "alerts",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("pageIndex" = Option<i64>, Query, minimum = 0, description = "the page, from 0"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100, description = "alerts on a page; 10 if not given"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "one page of the alerts", body = AlertPage),
        (status = 400, description = "a page that cannot be"),
        (status = 404, description = "another buyer's basket"),
    )
)]
#[get("/api/v1/basket/{buyerId}/alerts")]
async fn list_alerts(
    buyer: Buyer,
    _: Applied,
    Query(query): Query<PageQuery>,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    let window = query.window();
    let alerts =
        retried(|| async { store::list(&mut *pool.acquire().await?, &buyer.id, window).await }).await?;
    Ok(HttpResponse::Ok().json(alerts))
}

/// Which alerts the buyer has seen.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    /// The alerts' ids, at most 1,000. Without it, all alerts.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Vec<i64>>)]
    ids: Option<Vec<AlertId>>,
}

/// Refuses `null`, which could mean none but would acknowledge all.
fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<AlertId>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

impl FromRequest for Acknowledged {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !has_body(request.headers()) {
            return Box::pin(std::future::ready(Ok(Self::All)));
        }
        let body = Json::<Acknowledgement>::from_request(request, payload);
        Box::pin(async move {
            match body.await?.value.ids {
                None => Ok(Self::All),
                Some(ids) if ids.len() > MAX_IDS => {
                    let detail = format!("at most {MAX_IDS} ids at once, got {}", ids.len());
                    Err(Problem::validation(detail.clone()).at("#/ids", detail))
                }
                Some(ids) => Ok(Self::Only(ids)),
            }
        })
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Acknowledges alerts, and with them the present prices: the items' `oldUnitPrice` clears.
///
/// Without a body, all alerts and all items of the basket; with `ids`, those alerts and the items of
/// their products, but for those of which a later alert tells a new price. Ids of alerts that are not the
/// buyer's are left out.
#[utoipa::path(
    tag = "alerts",
    security(("bearer" = [])),
    params(("buyerId" = String, Path, description = "the token's `sub`")),
    request_body = Option<Acknowledgement>,
    responses(
        (status = 204, description = "the alerts are acknowledged"),
        (status = 400, description = "a body that cannot be read"),
        (status = 404, description = "another buyer's basket"),
    )
)]
#[post("/api/v1/basket/{buyerId}/alerts/acknowledge")]
async fn acknowledge_alerts(
    buyer: Buyer,
    which: Acknowledged,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    store::acknowledge(&pool, &buyer.id, &which).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Where a stream begins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamFrom {
    last_event_id: Option<u64>,
}

/// Sends the buyer's alerts as they come, as server-sent events.
///
/// Each is an event `price-alert` whose id is the alert's and whose data is the alert as in the list.
/// With `Last-Event-ID` (which browsers send when they connect again) or `lastEventId`, what came after
/// that alert is sent first; without, only what comes from now on. A comment every 15 seconds shows that
/// the stream lives. It ends with the token, and when the service stops.
#[utoipa::path(
    tag = "alerts",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("Last-Event-ID" = Option<u64>, Header, description = "the last alert that was received"),
        ("lastEventId" = Option<u64>, Query, description = "the same, for clients that cannot set headers"),
    ),
    responses(
        (status = 200, description = "the stream", body = String, content_type = "text/event-stream"),
        (status = 400, description = "not an alert's id"),
        (status = 404, description = "another buyer's basket"),
        (status = 429, description = "the buyer has too many streams open: see `Retry-After`"),
        (status = 503, description = "too many streams are open, or the database is away: see `Retry-After`"),
    )
)]
#[get("/api/v1/basket/{buyerId}/alerts/stream")]
async fn stream_alerts(
    request: HttpRequest,
    buyer: Buyer,
    Query(from): Query<StreamFrom>,
    hub: web::Data<Hub>,
    pool: web::Data<StreamPool>,
    stopping: web::Data<Stopping>,
) -> Result<HttpResponse, Problem> {
    let from = sse::last_event_id(request.headers())?.or(from.last_event_id);
    let mut subscription = hub.subscribe(&buyer.id).map_err(Problem::from)?;
    let newest = tokio::time::timeout(STREAM_BEGINS_WITHIN, subscription.newest()).await;
    let Ok(Some(newest)) = newest else {
        return Err(Problem::unavailable("the database cannot be used now, try again", 1));
    };
    // An id after the newest is from before the database was restored: waiting for it would skip alerts.
    let last = from.and_then(|id| i64::try_from(id).ok()).map_or(newest, |id| AlertId(id).min(newest));
    let stream = AlertStream {
        pool: pool.0.clone(),
        buyer: buyer.id,
        end: subscription.open.end(&stopping.0, buyer.expires_at),
        subscription,
        last,
    };
    Ok(sse::respond(RECONNECT_AFTER, stream.into_events()))
}
