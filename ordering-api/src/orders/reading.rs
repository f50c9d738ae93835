//! The routes that show orders.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use service_kit::auth::{Identity, Scope};
use service_kit::etag::{self, IfNoneMatch};
use service_kit::page::{Page, PageSize, Window};
use service_kit::problem::{Problem, Query};

use super::body::Order;
use super::caller::{OrdersShip, no_such_order, sees_all};
use super::store::{self, Filter};
use super::{BuyerId, OrderId, Orders, Status};

/// Which page of which orders.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Which {
    status: Option<Status>,
    buyer_id: Option<BuyerId>,
    page_index: Option<u32>,
    page_size: Option<PageSize>,
}

/// Lists orders, newest first: the caller's own, or everybody's with the scope `ops` or `orders:ship`.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("status" = Option<Status>, Query, description = "only orders that stand here"),
        ("buyerId" = Option<String>, Query, description = "only this buyer's"),
        ("pageIndex" = Option<i64>, Query, minimum = 0, description = "the page, from 0"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100, description = "orders on a page; 10 if not given"),
    ),
    responses(
        (status = 200, description = "one page of the orders", body = Page<Order>),
        (status = 400, description = "a page or a status that cannot be"),
        (status = 403, description = "another buyer's orders"),
    )
)]
#[get("/api/v1/orders")]
pub(super) async fn list_orders(
    identity: Identity,
    Query(which): Query<Which>,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let buyer = match (sees_all(&identity), which.buyer_id) {
        (true, buyer) => buyer,
        (false, None) => Some(identity.buyer()?),
        (false, Some(asked)) if asked.as_str() == identity.subject => Some(asked),
        (false, Some(_)) => return Err(Problem::forbidden(OrdersShip::NAME)),
    };
    let window = Window::new(which.page_index, which.page_size, 10);
    let filter = Filter { buyer, status: which.status };
    let (count, data) = store::list(&orders.pool, &filter, window).await?;
    Ok(HttpResponse::Ok().json(window.page(count, data)))
}

/// Shows an order: one's own, or anybody's with the scope `ops` or `orders:ship`.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("id" = String, Path, description = "which order"),
        ("If-None-Match" = Option<String>, Header, description = "the order's `ETag`, to be told only of changes"),
    ),
    responses(
        (status = 200, description = "the order", body = Order,
            headers(("ETag" = String, description = "its version"))),
        (status = 304, description = "the client has it"),
        (status = 400, description = "no id"),
        (status = 404, description = "no such order, or another buyer's"),
    )
)]
#[get("/api/v1/orders/{id}")]
pub(super) async fn get_order(
    identity: Identity,
    id: web::Path<OrderId>,
    known: IfNoneMatch,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let order = visible(&orders, *id, &identity).await?;
    let headers = (etag::of(order.version), (CACHE_CONTROL, "private, no-cache"));
    let is_known = known.has(order.version);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header(headers.0).insert_header(headers.1);
    Ok(if is_known { answer.finish() } else { answer.json(order) })
}

async fn visible(orders: &Orders, id: OrderId, identity: &Identity) -> Result<Order, Problem> {
    let owner = if sees_all(identity) { None } else { Some(identity.buyer()?) };
    store::find(&orders.pool, id, owner.as_ref()).await?.ok_or_else(no_such_order)
}
