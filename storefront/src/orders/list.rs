//! The buyer's orders.

use actix_web::get;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;

use super::view::OrderView;
use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html};

/// Orders on a page.
const PAGE: u8 = 20;

#[derive(Template)]
#[template(path = "orders/list.html")]
struct Page {
    frame: Frame,
    orders: clients::Result<Vec<OrderView>>,
    index: u32,
    has_more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    page: u32,
}

#[get("/orders")]
pub(super) async fn show(visit: Visit, Query(Which { page }): Query<Which>) -> Answer {
    let user = visit.user()?;
    let ordering = visit.shop.ordering()?;
    let (mut frame, orders) = tokio::join!(
        visit.frame("Your orders", Section::Orders),
        ordering.list(user, Some(&user.name), None, (page, PAGE)),
    );
    frame.is_partial = orders.is_err();
    let status = if orders.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let count = orders.as_ref().map_or(0, |orders| orders.count);
    let has_more = count > (u64::from(page) + 1) * u64::from(PAGE);
    let orders = orders.map(|orders| orders.data.into_iter().map(OrderView::from).collect());
    html(status, &Page { frame, orders, index: page, has_more })
}
