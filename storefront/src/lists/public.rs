//! The lists that everybody may see.

use actix_web::get;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;

use super::shown::Shown;
use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html};

/// Lists on a page.
const PAGE: u8 = 20;
/// The most products of each list that are shown.
const PRODUCTS: usize = 10;

#[derive(Template)]
#[template(path = "lists/public.html")]
struct Page {
    frame: Frame,
    lists: clients::Result<Vec<Shown>>,
    index: u32,
    has_more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    page: u32,
}

#[get("/public-lists")]
pub(super) async fn show(visit: Visit, Query(Which { page }): Query<Which>) -> Answer {
    let shop = &visit.shop;
    let (mut frame, lists) =
        tokio::join!(visit.frame("Public lists", Section::Lists), shop.basket.public_lists(page, PAGE));
    let mut has_more = false;
    let lists = match lists {
        Ok(lists) => {
            has_more = lists.count > (u64::from(page) + 1) * u64::from(PAGE);
            Shown::all(&shop.catalog, lists.data, PRODUCTS).await
        }
        Err(error) => Err(error),
    };
    frame.is_partial = lists.is_err();
    let status = if lists.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    html(status, &Page { frame, lists, index: page, has_more })
}
