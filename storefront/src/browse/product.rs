//! One product.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use service_kit::problem::Problem;

use super::{Card, Labels};
use crate::backends::Trouble;
use crate::pages::{Frame, Section, Shop, Visit, html};

#[derive(Template)]
#[template(path = "browse/product.html")]
struct Page {
    frame: Frame,
    card: Card,
}

#[derive(Template)]
#[template(path = "browse/away.html")]
struct AwayPage {
    frame: Frame,
    trouble: Trouble,
}

#[get("/products/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<i64>) -> Result<HttpResponse, Problem> {
    match fetch(&visit.shop, *id).await {
        Ok(card) => {
            let frame = visit.frame(&card.item.name, Section::Shop).await;
            html(StatusCode::OK, &Page { frame, card })
        }
        Err(trouble) if trouble.is_away() => {
            let mut frame = visit.frame("A product", Section::Shop).await;
            frame.is_partial = true;
            html(StatusCode::SERVICE_UNAVAILABLE, &AwayPage { frame, trouble })
        }
        Err(trouble) => {
            tracing::debug!(%trouble, "no such product");
            Err(Problem::not_found("There is no such product, or it is not sold any more."))
        }
    }
}

async fn fetch(shop: &Shop, id: i64) -> Result<Card, Trouble> {
    let catalog = &shop.catalog;
    let (item, types, brands) = tokio::try_join!(catalog.item(id), catalog.types(), catalog.brands())?;
    Ok(Labels::new(&types, &brands).card(item))
}
