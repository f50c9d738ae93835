//! One order as a time line.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use uuid::Uuid;

use super::view::OrderView;
use crate::pages::{Answer, Frame, Section, Visit, html, see_other};
use crate::session::{Nothing, Posted};

#[derive(Template)]
#[template(path = "orders/order.html")]
struct Page {
    frame: Frame,
    order: OrderView,
    is_operator: bool,
}

#[get("/orders/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<Uuid>) -> Answer {
    let user = visit.user()?;
    let (frame, order) =
        tokio::join!(visit.frame("Your order", Section::Orders), visit.shop.ordering()?.order(user, *id));
    let is_operator = user.is_operator() && frame.has_control_room;
    html(StatusCode::OK, &Page { frame, order: order?.into(), is_operator })
}

/// Cancels an order that is not paid yet.
#[post("/orders/{id}/cancel")]
pub(super) async fn cancel(visit: Visit, id: web::Path<Uuid>, _: Posted<Nothing>) -> Answer {
    let user = visit.user()?;
    let did = match visit.shop.ordering()?.cancel(user, *id).await {
        Ok(()) => "cancelling",
        Err(error) if error.is(reqwest::StatusCode::CONFLICT) => "too-late",
        Err(error) => return Err(error.into()),
    };
    Ok(see_other(&format!("/orders/{id}?did={did}")))
}
