//! The pages of the catalogue and of a product, and the product's picture.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use askama::Template;
use service_kit::problem::{Problem, Query};

use super::listing::{Labels, ProductCard};
use super::{FilterForm, Listing};
use crate::clients::{self, CatalogClient, ClientError, ProductList};
use crate::pages::{Answer, Frame, Section, Shop, Visit, html};

/// How long a product's page waits for the visitor's lists.
const LISTS_DEADLINE: Duration = Duration::from_secs(1);

/// Products on a page.
const PAGE: u8 = 12;

#[derive(Template)]
#[template(path = "browse/list.html")]
struct ListPage {
    frame: Frame,
    form: FilterForm,
    products: clients::Result<Listing>,
}

#[get("/")]
pub(super) async fn list(visit: Visit, Query(mut form): Query<FilterForm>) -> Answer {
    let (mut frame, products) = tokio::join!(
        visit.frame("Outdoor gear", Section::Shop),
        Listing::read(&visit.shop.catalog, &mut form, "/", PAGE),
    );
    let status = if products.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    frame.is_partial = products.is_err();
    html(status, &ListPage { frame, form, products })
}

#[derive(Template)]
#[template(path = "browse/product.html")]
struct ProductPage {
    frame: Frame,
    card: ProductCard,
    /// The lists that the product can be put on.
    lists: Vec<ProductList>,
}

#[derive(Template)]
#[template(path = "browse/unavailable.html")]
struct UnavailablePage {
    frame: Frame,
    error: ClientError,
}

#[get("/products/{id}")]
pub(super) async fn product(visit: Visit, id: web::Path<i64>) -> Answer {
    match read(&visit.shop.catalog, *id).await {
        Ok(card) => {
            let (frame, lists) = tokio::join!(visit.frame(&card.item.name, Section::Shop), lists(&visit));
            html(StatusCode::OK, &ProductPage { frame, card, lists })
        }
        Err(error) if error.is_unavailable() => {
            let mut frame = visit.frame("A product", Section::Shop).await;
            frame.is_partial = true;
            html(StatusCode::SERVICE_UNAVAILABLE, &UnavailablePage { frame, error })
        }
        Err(error) => {
            tracing::debug!(%error, "no such product");
            Err(Problem::not_found("There is no such product, or it is not sold any more."))
        }
    }
}

/// The visitor's lists; none where the basket does not answer soon.
async fn lists(visit: &Visit) -> Vec<ProductList> {
    let Ok(user) = visit.user() else { return Vec::new() };
    let lists = tokio::time::timeout(LISTS_DEADLINE, visit.shop.basket.lists(user)).await;
    lists.ok().and_then(Result::ok).unwrap_or_default()
}

async fn read(catalog: &CatalogClient, id: i64) -> clients::Result<ProductCard> {
    let (item, types, brands) = tokio::try_join!(catalog.item(id), catalog.types(), catalog.brands())?;
    Ok(Labels::new(&types, &brands).card(item))
}

/// An hour. After that, a browser sends the picture's tag.
const CACHING: &str = "public, max-age=3600";

#[get("/pictures/{id}")]
/// Passes on a picture of the catalogue: pages load nothing from other sites.
pub(super) async fn picture(request: HttpRequest, id: web::Path<i64>, shop: web::Data<Shop>) -> Answer {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let reply = shop.catalog.picture(*id, known).await?;
    let is_known = reply.status == reqwest::StatusCode::NOT_MODIFIED;
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, CACHING));
    if let Some(tag) = reply.header("etag") {
        answer.insert_header((ETAG, tag));
    }
    if is_known {
        return Ok(answer.finish());
    }
    // Not the catalogue's media type: this site shows nothing but SVG as a picture.
    Ok(answer.insert_header((CONTENT_TYPE, "image/svg+xml")).body(reply.body))
}
