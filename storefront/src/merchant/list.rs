//! The list of products, with a field for each price.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use rust_decimal::Decimal;
use serde::Deserialize;
use service_kit::problem::{Problem, Query};
use uuid::Uuid;

use super::form::price;
use crate::backends::Trouble;
use crate::browse::{Card, Choice, FilterForm, Labels, Pager};
use crate::pages::{Frame, Section, Shop, Visit, html, local, see_other};
use crate::session::{CATALOG_WRITE, Posted};

/// Products on a page.
const PAGE: u8 = 20;

/// Where the list is.
const HERE: &str = "/merchant";

#[derive(Template)]
#[template(path = "merchant/list.html")]
struct Page {
    frame: Frame,
    form: FilterForm,
    /// The products; without them, why not.
    stock: Result<Stock, Trouble>,
    /// Why a price was not set.
    fault: Option<String>,
}

struct Stock {
    cards: Vec<Card>,
    count: u64,
    types: Vec<Choice>,
    brands: Vec<Choice>,
    pager: Pager,
}

#[derive(Debug, Deserialize)]
struct NewPrice {
    price: String,
    version: i64,
    /// The page of the list to go back to.
    #[serde(default)]
    back: String,
}

#[get("/merchant")]
pub(super) async fn show(visit: Visit, Query(form): Query<FilterForm>) -> Result<HttpResponse, Problem> {
    visit.allowed(CATALOG_WRITE)?;
    page(visit, form, None).await
}

async fn page(visit: Visit, form: FilterForm, fault: Option<String>) -> Result<HttpResponse, Problem> {
    let (mut frame, stock) =
        tokio::join!(visit.frame("Prices and products", Section::Merchant), fetch(&visit.shop, &form));
    let status = match (&stock, &fault) {
        (Err(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    frame.is_partial = stock.is_err();
    html(status, &Page { frame, form, stock, fault })
}

async fn fetch(shop: &Shop, form: &FilterForm) -> Result<Stock, Trouble> {
    let catalog = &shop.catalog;
    let filter = form.filter();
    let (page, types, brands) =
        tokio::try_join!(catalog.list(&filter, form.page() - 1, PAGE), catalog.types(), catalog.brands())?;
    let labels = Labels::new(&types, &brands);
    Ok(Stock {
        pager: form.pager(HERE, page.count, PAGE),
        count: page.count,
        cards: page.data.into_iter().map(|item| labels.card(item)).collect(),
        types: form.types(HERE, &types),
        brands: form.brands(HERE, &brands),
    })
}

/// Sets one price.
#[post("/merchant/products/{id}/price")]
pub(super) async fn set_price(
    visit: Visit,
    id: web::Path<i64>,
    Posted(form): Posted<NewPrice>,
) -> Result<HttpResponse, Problem> {
    let user = visit.allowed(CATALOG_WRITE)?;
    let back = local(&form.back).to_owned();
    let outcome = match price(&form.price) {
        Some(price) => set(&visit.shop, user, (*id, form.version), price).await,
        None => Err(format!("{:?} is no price: write an amount such as 12.50.", form.price)),
    };
    match outcome {
        Ok(did) => {
            let mark = if back.contains('?') { '&' } else { '?' };
            Ok(see_other(&format!("{back}{mark}did={did}")))
        }
        Err(fault) => {
            let query = back.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let form = serde_urlencoded::from_str(query).unwrap_or_default();
            page(visit, form, Some(fault)).await
        }
    }
}

async fn set(
    shop: &Shop,
    user: &crate::session::User,
    product: (i64, i64),
    price: Decimal,
) -> Result<&'static str, String> {
    let key = Uuid::new_v4().to_string();
    match shop.catalog.change_price(user, product, price, &key).await {
        Ok(true) => Ok("priced"),
        Ok(false) => Ok("same-price"),
        Err(trouble) if trouble.is(reqwest::StatusCode::PRECONDITION_FAILED) => {
            Err("Somebody else changed this product meanwhile: here it is as it is now.".to_owned())
        }
        Err(trouble) => Err(trouble.sentence()),
    }
}
