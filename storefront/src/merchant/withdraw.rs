//! Taking a product out of sale.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::pages::{Visit, see_other};
use crate::session::{CATALOG_WRITE, Posted};

#[derive(Debug, Deserialize)]
pub(super) struct Withdrawal {
    version: i64,
}

/// Withdraws a product, if it is still as the merchant saw it.
#[post("/merchant/products/{id}/withdraw")]
pub(super) async fn withdraw(
    visit: Visit,
    id: web::Path<i64>,
    Posted(form): Posted<Withdrawal>,
) -> Result<HttpResponse, Problem> {
    let user = visit.allowed(CATALOG_WRITE)?;
    visit.shop.catalog.remove(user, (*id, form.version)).await?;
    Ok(see_other("/merchant?did=withdrawn"))
}
