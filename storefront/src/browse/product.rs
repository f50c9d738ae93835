//! The page of one product.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use service_kit::problem::Problem;

use super::product_card::{Labels, ProductCard};
use crate::clients::{CatalogClient, ClientError};
use crate::pages::{Frame, Section, Visit, html};

#[derive(Template)]
#[template(path = "browse/product.html")]
struct Page {
    frame: Frame,
    card: ProductCard,
}

#[derive(Template)]
#[template(path = "browse/unavailable.html")]
struct UnavailablePage {
    frame: Frame,
    error: ClientError,
}

#[get("/products/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<i64>) -> Result<HttpResponse, Problem> {
    match read(&visit.shop.catalog, *id).await {
        Ok(card) => {
            let frame = visit.frame(&card.item.name, Section::Shop).await;
            html(StatusCode::OK, &Page { frame, card })
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

async fn read(catalog: &CatalogClient, id: i64) -> Result<ProductCard, ClientError> {
    let (item, types, brands) = tokio::try_join!(catalog.item(id), catalog.types(), catalog.brands())?;
    Ok(Labels::new(&types, &brands).card(item))
}
