//! What orders have reserved of the stock, for merchants.

use actix_web::get;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;

use crate::clients::{self, Reservation};
use crate::pages::{Answer, Frame, Section, Visit, html};
use crate::session::CATALOG_WRITE;

/// Reservations on a page.
const PAGE: u8 = 20;

#[derive(Template)]
#[template(path = "merchant/reservations.html")]
struct Page {
    frame: Frame,
    reservations: clients::Result<Vec<Reservation>>,
    index: u32,
    has_more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    page: u32,
}

#[get("/merchant/reservations")]
pub(super) async fn show(visit: Visit, Query(Which { page }): Query<Which>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    let (mut frame, found) = tokio::join!(
        visit.frame("Reserved stock", Section::Merchant),
        visit.shop.catalog.reservations(user, page, PAGE),
    );
    frame.is_partial = found.is_err();
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let count = found.as_ref().map_or(0, |found| found.count);
    let has_more = count > (u64::from(page) + 1) * u64::from(PAGE);
    html(status, &Page { frame, reservations: found.map(|found| found.data), index: page, has_more })
}

impl Reservation {
    /// Where the order's stock is, in a word.
    fn word(&self) -> &str {
        match self.state.as_str() {
            "reserved" => "Reserved",
            "sold" => "Sold",
            "released" => "Given back",
            "rejected" => "Too little",
            other => other,
        }
    }

    /// When the order asked for it: for machines, and for people.
    fn asked_at(&self) -> (String, String) {
        (self.created_at.to_rfc3339(), self.created_at.format("%-d %b, %H:%M:%S UTC").to_string())
    }

    /// The end of the order's id, as the pages of orders show it.
    fn number(&self) -> String {
        self.order_id.simple().to_string().split_off(24)
    }
}
