//! The page of the catalogue.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use askama::Template;
use service_kit::problem::{Problem, Query};

use super::{FilterForm, Listing};
use crate::clients::ClientError;
use crate::pages::{Frame, Section, Visit, html};

/// Products on a page.
const PAGE: u8 = 12;

#[derive(Template)]
#[template(path = "browse/list.html")]
struct Page {
    frame: Frame,
    form: FilterForm,
    products: Result<Listing, ClientError>,
}

#[get("/")]
pub(super) async fn show(visit: Visit, Query(form): Query<FilterForm>) -> Result<HttpResponse, Problem> {
    let (mut frame, products) = tokio::join!(
        visit.frame("Outdoor gear", Section::Shop),
        Listing::read(&visit.shop.catalog, &form, "/", PAGE),
    );
    let status = if products.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    frame.is_partial = products.is_err();
    html(status, &Page { frame, form, products })
}
