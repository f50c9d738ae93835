//! One product.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use service_kit::etag::{self, IfNoneMatch};
use service_kit::problem::{self, Problem};

use super::{ItemBody, ProductId};
use crate::app::Catalog;

/// Gets a product.
#[utoipa::path(
    tag = "products",
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-None-Match" = Option<String>, Header, description = "the entity tags that the client has"),
    ),
    responses(
        (status = 200, description = "the product", body = ItemBody,
            headers(("ETag" = String, description = "its version"))),
        (status = 304, description = "the client has it"),
        (status = 400, description = "no id", body = problem::Body, content_type = "application/problem+json"),
        (status = 404, description = "no such product", body = problem::Body,
            content_type = "application/problem+json"),
    )
)]
#[get("/items/{id}")]
pub(super) async fn get_item(
    id: web::Path<ProductId>,
    known: IfNoneMatch,
    catalog: web::Data<Catalog>,
) -> Result<HttpResponse, Problem> {
    let item = catalog.products().load(*id).await?.ok_or_else(|| no_such_product(*id))?;
    let mut response = if known.has(item.version) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(etag::of(item.version)).insert_header((CACHE_CONTROL, "no-cache"));
    if known.has(item.version) {
        return Ok(response.finish());
    }
    Ok(response.json(ItemBody::from(&item)))
}

/// 404 for a product that is not, or is no longer, in the catalog.
pub(crate) fn no_such_product(id: ProductId) -> Problem {
    Problem::not_found(format!("there is no product {}", id.get()))
}
