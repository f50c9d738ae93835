//! The catalogue.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use askama::Template;
use service_kit::problem::{Problem, Query};

use super::{Card, Choice, FilterForm, Labels, Pager};
use crate::backends::Trouble;
use crate::pages::{Frame, Section, Shop, Visit, html};

/// Products on a page.
const PAGE: u8 = 12;

#[derive(Template)]
#[template(path = "browse/list.html")]
struct Page {
    frame: Frame,
    form: FilterForm,
    /// The products; without them, why not.
    shelf: Result<Shelf, Trouble>,
}

struct Shelf {
    cards: Vec<Card>,
    count: u64,
    types: Vec<Choice>,
    brands: Vec<Choice>,
    pager: Pager,
}

#[get("/")]
pub(super) async fn show(visit: Visit, Query(form): Query<FilterForm>) -> Result<HttpResponse, Problem> {
    let (mut frame, shelf) =
        tokio::join!(visit.frame("Outdoor gear", Section::Shop), fetch(&visit.shop, &form));
    let status = if shelf.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    frame.is_partial = shelf.is_err();
    html(status, &Page { frame, form, shelf })
}

async fn fetch(shop: &Shop, form: &FilterForm) -> Result<Shelf, Trouble> {
    let catalog = &shop.catalog;
    let filter = form.filter();
    let (page, types, brands) =
        tokio::try_join!(catalog.list(&filter, form.page() - 1, PAGE), catalog.types(), catalog.brands())?;
    let labels = Labels::new(&types, &brands);
    Ok(Shelf {
        pager: form.pager("/", page.count, PAGE),
        count: page.count,
        cards: page.data.into_iter().map(|item| labels.card(item)).collect(),
        types: form.types("/", &types),
        brands: form.brands("/", &brands),
    })
}
