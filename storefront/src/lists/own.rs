//! The buyer's own lists.

use actix_web::http::StatusCode;
use actix_web::{get, web};
use askama::Template;

use super::shown::Shown;
use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html};

/// The most products of a list that a page shows.
const PRODUCTS: usize = 500;

#[derive(Template)]
#[template(path = "lists/all.html")]
struct AllPage {
    frame: Frame,
    lists: clients::Result<Vec<Shown>>,
}

#[derive(Template)]
#[template(path = "lists/one.html")]
struct OnePage {
    frame: Frame,
    shown: Shown,
}

#[get("/lists")]
pub(super) async fn show_all(visit: Visit) -> Answer {
    let user = visit.user()?;
    let shop = &visit.shop;
    let (mut frame, lists) = tokio::join!(visit.frame("Your lists", Section::Lists), shop.basket.lists(user));
    let lists = match lists {
        Ok(lists) => Shown::all(&shop.catalog, lists, 0).await,
        Err(error) => Err(error),
    };
    frame.is_partial = lists.is_err();
    let status = if lists.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    html(status, &AllPage { frame, lists })
}

#[get("/lists/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<String>) -> Answer {
    let user = visit.user()?;
    let list = visit.shop.basket.list(user, &id).await?;
    let frame = visit.frame(&list.name, Section::Lists).await;
    let mut shown = Shown::all(&visit.shop.catalog, vec![list], PRODUCTS).await?;
    let shown = shown.pop().ok_or_else(|| service_kit::problem::Problem::not_found("no such list"))?;
    html(StatusCode::OK, &OnePage { frame, shown })
}
