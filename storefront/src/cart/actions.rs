//! What a buyer does with their cart.

use actix_web::{HttpResponse, post, web};
use reqwest::StatusCode;
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::pages::{Visit, see_other};
use crate::session::{Nothing, Posted};

/// The most pieces of a product in a cart.
const MOST: i64 = 99;

/// How often adding is tried when another page changes the cart at the same moment.
const TRIES: usize = 3;

#[derive(Debug, Deserialize)]
struct Quantity {
    quantity: i64,
}

#[derive(Debug, Deserialize)]
struct Seen {
    /// The alerts' ids, with commas between; empty for all.
    #[serde(default)]
    ids: String,
}

/// Puts pieces of a product into the cart, on top of those that are in it.
#[post("/cart/items/{id}/add")]
pub(super) async fn add(
    visit: Visit,
    id: web::Path<i64>,
    Posted(form): Posted<Quantity>,
) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    let mut tries = 0;
    loop {
        tries += 1;
        match visit.shop.basket.add(user, *id, form.quantity.clamp(1, MOST), &visit.trace).await {
            Err(trouble) if trouble.is(StatusCode::PRECONDITION_FAILED) && tries < TRIES => {}
            outcome => break drop(outcome?),
        }
    }
    visit.shop.hub.announce(&user.name);
    Ok(see_other("/cart?did=added"))
}

/// Sets how many pieces of a product are in the cart.
#[post("/cart/items/{id}")]
pub(super) async fn set(
    visit: Visit,
    id: web::Path<i64>,
    Posted(form): Posted<Quantity>,
) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    visit.shop.basket.put(user, *id, form.quantity, &visit.trace).await?;
    visit.shop.hub.announce(&user.name);
    Ok(see_other("/cart?did=changed"))
}

/// Takes a product out of the cart.
#[post("/cart/items/{id}/remove")]
pub(super) async fn take_out(
    visit: Visit,
    id: web::Path<i64>,
    _: Posted<Nothing>,
) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    visit.shop.basket.take_out(user, *id).await?;
    visit.shop.hub.announce(&user.name);
    Ok(see_other("/cart?did=removed"))
}

/// Accepts the prices of the news that the buyer has seen, and of no other.
#[post("/cart/acknowledge")]
pub(super) async fn acknowledge(visit: Visit, Posted(seen): Posted<Seen>) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    let ids: Vec<i64> = seen.ids.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    visit.shop.basket.acknowledge(user, &ids).await?;
    visit.shop.hub.announce(&user.name);
    Ok(see_other("/cart?did=acknowledged"))
}
