//! The routes that place an order and change it.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, LOCATION};
use actix_web::{HttpResponse, post, web};
use rust_decimal::Decimal;
use serde::Deserialize;
use service_kit::auth::{Authorized, Identity};
use service_kit::change::ChangeError;
use service_kit::database;
use service_kit::idempotency_key::Key;
use service_kit::problem::{Json, OptionalJson, Problem};
use service_kit::retry::retried;
use service_kit::trace::RequestTrace;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Accepted;
use super::caller::{OrdersShip, no_such_order};
use super::checkout::Checkout;
use super::model::Line;
use super::place::{self, Placed, Request};
use super::process::{self, Applied, Happened};
use super::rules::Happening;
use super::store;
use super::{BASE, OrderId, Orders, Status, reading};
use crate::products::look_up::LookUp;

/// Marks the answer to a repetition.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(place_order)
        .service(reading::list_orders)
        .service(reading::get_order)
        .service(cancel_order)
        .service(ship_order);
}

/// Places an order at the catalog's prices.
///
/// It is answered before anything is reserved or charged: what becomes of it shows in its status. The same request
/// with the same `Idempotency-Key` gets the same order.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "makes it safe to send the request again",
        min_length = 1, max_length = 255, pattern = r"^[!-~]+$")),
    request_body = Checkout,
    responses(
        (status = 202, description = "the order is placed", body = Accepted,
            headers(("Location" = String, description = "where it is"))),
        (status = 400, description = "not valid: no items or more than 50, a quantity outside 1–99, no key, or the like"),
        (status = 409, description = "the products cost something else than expected: both totals are in the answer"),
        (status = 413, description = "too large"),
        (status = 422, description = "a product that the catalog does not sell, or a key that was used with another body"),
        (status = 503, description = "a product is not known here yet, and the catalog cannot be asked now"),
    )
)]
#[post("/api/v1/orders")]
async fn place_order(
    identity: Identity,
    key: Key,
    trace: RequestTrace,
    checkout: Json<Checkout>,
    orders: web::Data<Orders>,
    look_up: web::Data<LookUp>,
) -> Result<HttpResponse, Problem> {
    let buyer = identity.buyer()?;
    let checkout = checkout.value;
    checkout.check()?;
    let fingerprint = checkout.fingerprint()?;
    let request = Request {
        buyer: &buyer,
        key: &key,
        checkout: &checkout,
        fingerprint: &fingerprint,
        trace: &trace.context,
    };
    let try_to_place = || retried(|| place::place(&orders.pool, &orders.policy, &request));
    let mut placed = try_to_place().await?;
    if let Placed::NotSold(missing) = &placed {
        let missing: Vec<_> =
            missing.iter().filter_map(|at| checkout.items.get(*at)).map(|item| item.product_id).collect();
        if look_up.products(&missing, &trace).await? {
            placed = try_to_place().await?;
        }
    }
    let (order_id, is_repeated) = match placed {
        Placed::New(id) => (id, false),
        Placed::Repeated(id) => (id, true),
        Placed::OtherCheckout => {
            return Err(Problem::unprocessable(
                "this idempotency-key was used with another body: use a new key for a new order",
            ));
        }
        Placed::NotSold(missing) => return Err(not_sold(&checkout, &missing)),
        Placed::OtherTotal(total) => return Err(other_total(checkout.expected_total.amount(), total)),
    };
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((LOCATION, format!("{BASE}/{order_id}")));
    if is_repeated {
        answer.insert_header((REPLAYED, "true"));
    } else {
        (orders.notify)();
    }
    Ok(answer.json(Accepted { order_id, status: Status::Submitted }))
}

fn not_sold(checkout: &Checkout, places: &[usize]) -> Problem {
    let problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-product", "the catalog does not sell this");
    let name = |at: &usize| checkout.items.get(*at).map(|item| item.product_id.to_string());
    let names: Vec<String> = places.iter().filter_map(name).collect();
    let problem = problem.detail(format!("not known, or not sold any more: product {}", names.join(", ")));
    places.iter().fold(problem, |problem, at| {
        problem.at(format!("#/items/{at}/productId"), "there is no such product, or it is not sold any more")
    })
}

fn other_total(expected: Decimal, total: Decimal) -> Problem {
    let detail =
        format!("the order costs {total:.2}, and {expected:.2} was expected: show the buyer the new prices");
    Problem::new(StatusCode::CONFLICT, "total-changed", "the products cost something else now")
        .detail(detail)
        .member("expectedTotal", format!("{expected:.2}"))
        .member("total", format!("{total:.2}"))
        .at("#/expectedTotal", format!("the total is {total:.2}"))
}

/// Why an order is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Cancellation {
    /// In the buyer's words.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    reason: Option<Line>,
}

/// Cancels one's own order, until it is paid. Stock and money are given back.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "which order")),
    request_body = Option<Cancellation>,
    responses(
        (status = 202, description = "the order is cancelled, or was before", body = Accepted),
        (status = 400, description = "no id, or a body that cannot be read"),
        (status = 404, description = "no such order, or another buyer's"),
        (status = 409, description = "it is paid or shipped"),
    )
)]
#[post("/api/v1/orders/{id}/cancel")]
async fn cancel_order(
    identity: Identity,
    id: web::Path<OrderId>,
    trace: RequestTrace,
    cancellation: OptionalJson<Cancellation>,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let buyer = identity.buyer()?;
    // Whose order it is never changes, so it need not be asked in the transaction of the change.
    store::find(&orders.pool, *id, Some(&buyer)).await?.ok_or_else(no_such_order)?;
    let reason = cancellation.0.reason;
    change(&orders, *id, Happening::Cancel, reason.as_ref().map(Line::as_str), &trace).await
}

/// Ships a paid order.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = ["orders:ship"])),
    params(("id" = String, Path, description = "which order")),
    responses(
        (status = 202, description = "the order is shipped", body = Accepted),
        (status = 400, description = "no id"),
        (status = 404, description = "no such order"),
        (status = 409, description = "it is not paid, or shipped already"),
    )
)]
#[post("/api/v1/orders/{id}/ship")]
async fn ship_order(
    _: Authorized<OrdersShip>,
    id: web::Path<OrderId>,
    trace: RequestTrace,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    change(&orders, *id, Happening::Ship, None, &trace).await
}

async fn change(
    orders: &Orders,
    id: OrderId,
    happening: Happening,
    detail: Option<&str>,
    trace: &RequestTrace,
) -> Result<HttpResponse, Problem> {
    let applied = retried(|| async {
        let mut tx = database::begin(&orders.pool).await?;
        let happened = Happened { happening, detail, event_id: None, trace: &trace.context };
        let applied = process::apply(&mut tx, id, &happened).await?;
        tx.commit().await?;
        Ok::<_, ChangeError>(applied)
    })
    .await?;
    let status = match applied {
        Applied::Changed(status) => {
            (orders.notify)();
            status
        }
        Applied::Unchanged(status) => status,
        Applied::Refused(status) => return Err(refused(happening, status)),
        Applied::NoSuchOrder => return Err(no_such_order()),
    };
    Ok(HttpResponse::Accepted().json(Accepted { order_id: id, status }))
}

fn refused(happening: Happening, status: Status) -> Problem {
    let now = serde_json::to_value(status).ok();
    let now = now.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let why = if happening == Happening::Ship {
        "an order can be shipped when it is paid, and once"
    } else {
        "an order can be cancelled until it is paid"
    };
    Problem::conflict(format!("the order is {now}: {why}"))
}
