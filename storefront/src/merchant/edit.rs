//! Adding, changing and withdrawing a product.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::form::ProductForm;
use super::refusal;
use crate::clients::Named;
use crate::pages::{Answer, Frame, Section, Visit, html, see_other};
use crate::session::{CATALOG_WRITE, Posted};

#[derive(Template)]
#[template(path = "merchant/edit.html")]
struct Page {
    frame: Frame,
    /// `None` for a new product.
    id: Option<i64>,
    form: ProductForm,
    types: Vec<Named>,
    brands: Vec<Named>,
    fault: Option<String>,
}

#[get("/merchant/products/new")]
pub(super) async fn show_new(visit: Visit) -> Answer {
    visit.allowed(CATALOG_WRITE)?;
    page(&visit, None, ProductForm::default().with_new_key(), None).await
}

#[get("/merchant/products/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<i64>) -> Answer {
    visit.allowed(CATALOG_WRITE)?;
    let item = visit.shop.catalog.item(*id).await?;
    page(&visit, Some(*id), ProductForm::of(&item), None).await
}

async fn page(visit: &Visit, id: Option<i64>, form: ProductForm, fault: Option<String>) -> Answer {
    let catalog = &visit.shop.catalog;
    let (types, brands) = tokio::try_join!(catalog.types(), catalog.brands())?;
    let title = if id.is_some() { "Change a product" } else { "Add a product" };
    let frame = visit.frame(title, Section::Merchant).await;
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html(status, &Page { frame, id, form, types, brands, fault })
}

#[post("/merchant/products")]
pub(super) async fn create(visit: Visit, Posted(form): Posted<ProductForm>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    let key = if form.key.is_empty() { Uuid::new_v4().to_string() } else { form.key.clone() };
    let added = match form.details() {
        Ok(details) => visit.shop.catalog.add(user, &details, &key).await.map_err(|error| refusal(&error)),
        Err(fault) => Err(fault),
    };
    match added {
        Ok(item) => Ok(see_other(&format!("/products/{}?did=created", item.id))),
        // The catalogue remembers the refusal under the old key.
        Err(fault) => page(&visit, None, form.with_new_key(), Some(fault)).await,
    }
}

#[post("/merchant/products/{id}")]
pub(super) async fn save(visit: Visit, id: web::Path<i64>, Posted(form): Posted<ProductForm>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    let product = (*id, form.version.parse().unwrap_or_default());
    let saved = match form.details() {
        Ok(details) => {
            visit.shop.catalog.replace(user, product, &details).await.map_err(|error| refusal(&error))
        }
        Err(fault) => Err(fault),
    };
    match saved {
        Ok(_) => Ok(see_other(&format!("/merchant/products/{id}?did=edited"))),
        Err(fault) => page(&visit, Some(*id), form, Some(fault)).await,
    }
}

#[derive(Debug, Deserialize)]
struct Withdrawal {
    version: i64,
}

/// Withdraws a product from sale, if it still has the version that the merchant saw.
#[post("/merchant/products/{id}/withdraw")]
pub(super) async fn withdraw(visit: Visit, id: web::Path<i64>, Posted(form): Posted<Withdrawal>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    visit.shop.catalog.remove(user, (*id, form.version)).await?;
    Ok(see_other("/merchant?did=withdrawn"))
}
