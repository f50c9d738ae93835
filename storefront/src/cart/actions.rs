//! What a buyer does with the cart.

use actix_web::{post, web};
use reqwest::StatusCode;
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::clients::MAX_QUANTITY;
use crate::live::Hub;
use crate::pages::{Answer, Visit, see_other};
use crate::session::{Nothing, Posted};

/// How often adding is tried when another page changes the cart at the same time.
const TRIES: usize = 3;

#[derive(Debug, Deserialize)]
struct Quantity {
    quantity: i64,
}

#[derive(Debug, Deserialize)]
struct Seen {
    /// The ids of the alerts, separated by commas; empty for all.
    #[serde(default)]
    ids: String,
}

impl Seen {
    /// The ids. What cannot be read is refused: to leave it out could leave none, and that means all.
    fn ids(&self) -> Result<Vec<i64>, Problem> {
        if self.ids.trim().is_empty() {
            return Ok(Vec::new());
        }
        let ids = self.ids.split(',').map(|id| id.trim().parse::<i64>()).collect::<Result<Vec<_>, _>>();
        ids.map_err(|error| Problem::validation(format!("the ids of the alerts cannot be read: {error}")))
    }
}

/// Adds pieces of a product to those in the cart.
#[post("/cart/items/{id}/add")]
pub(super) async fn add(
    visit: Visit,
    hub: web::Data<Hub>,
    id: web::Path<i64>,
    Posted(form): Posted<Quantity>,
) -> Answer {
    let user = visit.user()?;
    let pieces = form.quantity.clamp(1, MAX_QUANTITY);
    let mut tries = 0;
    loop {
        tries += 1;
        match visit.shop.basket.add(user, *id, pieces).await {
            Err(error) if error.is(StatusCode::PRECONDITION_FAILED) && tries < TRIES => {}
            outcome => break outcome?,
        }
    }
    hub.cart_changed(&user.name);
    Ok(see_other("/cart?did=added"))
}

/// Sets how many pieces of a product are in the cart.
#[post("/cart/items/{id}")]
pub(super) async fn set(
    visit: Visit,
    hub: web::Data<Hub>,
    id: web::Path<i64>,
    Posted(form): Posted<Quantity>,
) -> Answer {
    let user = visit.user()?;
    visit.shop.basket.put(user, *id, form.quantity).await?;
    hub.cart_changed(&user.name);
    Ok(see_other("/cart?did=changed"))
}

/// Removes a product from the cart.
#[post("/cart/items/{id}/remove")]
pub(super) async fn remove(
    visit: Visit,
    hub: web::Data<Hub>,
    id: web::Path<i64>,
    _: Posted<Nothing>,
) -> Answer {
    let user = visit.user()?;
    visit.shop.basket.remove(user, *id).await?;
    hub.cart_changed(&user.name);
    Ok(see_other("/cart?did=removed"))
}

/// Accepts the prices of the news that the buyer has seen.
#[post("/cart/acknowledge")]
pub(super) async fn acknowledge(visit: Visit, hub: web::Data<Hub>, Posted(seen): Posted<Seen>) -> Answer {
    let user = visit.user()?;
    visit.shop.basket.acknowledge(user, &seen.ids()?).await?;
    hub.cart_changed(&user.name);
    Ok(see_other("/cart?did=acknowledged"))
}
