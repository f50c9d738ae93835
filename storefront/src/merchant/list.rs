//! The list of products, with a field for each price.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;
use uuid::Uuid;

use super::form::price;
use super::refusal;
use crate::browse::{FilterForm, Listing};
use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html, local, see_other};
use crate::session::{CATALOG_WRITE, Posted};

/// Products on a page.
const PAGE: u8 = 20;

#[derive(Template)]
#[template(path = "merchant/list.html")]
struct Page {
    frame: Frame,
    form: FilterForm,
    products: clients::Result<Listing>,
    /// Why a price was not changed.
    fault: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NewPrice {
    price: String,
    version: i64,
    /// The page of the list to return to.
    #[serde(default)]
    back: String,
}

#[get("/merchant")]
pub(super) async fn show(visit: Visit, Query(form): Query<FilterForm>) -> Answer {
    visit.allowed(CATALOG_WRITE)?;
    page(visit, form, None).await
}

async fn page(visit: Visit, mut form: FilterForm, fault: Option<String>) -> Answer {
    let (mut frame, products) = tokio::join!(
        visit.frame("Prices and products", Section::Merchant),
        Listing::read(&visit.shop.catalog, &mut form, "/merchant", PAGE),
    );
    let status = match (&products, &fault) {
        (Err(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    frame.is_partial = products.is_err();
    html(status, &Page { frame, form, products, fault })
}

/// Changes one price.
#[post("/merchant/products/{id}/price")]
pub(super) async fn set_price(visit: Visit, id: web::Path<i64>, Posted(form): Posted<NewPrice>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    let back = local(&form.back).to_owned();
    let key = Uuid::new_v4().to_string();
    let product = (*id, form.version);
    let outcome = match price(&form.price) {
        Some(price) => {
            let changed = visit.shop.catalog.change_price(user, product, price, &key).await;
            changed.map_err(|error| refusal(&error))
        }
        None => Err(format!("{:?} is no price: write an amount such as 12.50.", form.price)),
    };
    match outcome {
        Ok(is_changed) => {
            let did = if is_changed { "priced" } else { "same-price" };
            let mark = if back.contains('?') { '&' } else { '?' };
            Ok(see_other(&format!("{back}{mark}did={did}")))
        }
        Err(fault) => {
            let query = back.split_once('?').map(|(_, query)| query).unwrap_or_default();
            page(visit, serde_urlencoded::from_str(query).unwrap_or_default(), Some(fault)).await
        }
    }
}
