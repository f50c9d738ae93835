//! Orders that are to be shipped, for merchants.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use uuid::Uuid;

use super::view::OrderView;
use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html, see_other};
use crate::session::{Nothing, ORDERS_SHIP, Posted};

/// Orders on the page: the newest of each kind.
const PAGE: u8 = 50;

#[derive(Template)]
#[template(path = "orders/shipping.html")]
struct Page {
    frame: Frame,
    paid: clients::Result<Vec<OrderView>>,
}

#[get("/merchant/orders")]
pub(super) async fn show(visit: Visit) -> Answer {
    let user = visit.allowed(ORDERS_SHIP)?;
    let ordering = visit.shop.ordering()?;
    let (mut frame, paid) = tokio::join!(
        visit.frame("Orders to ship", Section::Merchant),
        ordering.list(user, None, Some("paid"), (0, PAGE)),
    );
    frame.is_partial = paid.is_err();
    let status = if paid.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let paid = paid.map(|orders| orders.data.into_iter().map(OrderView::from).collect());
    html(status, &Page { frame, paid })
}

/// Ships an order that is paid.
#[post("/merchant/orders/{id}/ship")]
pub(super) async fn ship(visit: Visit, id: web::Path<Uuid>, _: Posted<Nothing>) -> Answer {
    let user = visit.allowed(ORDERS_SHIP)?;
    visit.shop.ordering()?.ship(user, *id).await?;
    Ok(see_other("/merchant/orders?did=shipped"))
}
