//! A picture for every product, drawn when it is asked for: the same product, the same picture.

mod canvas;
mod scene;
mod silhouettes;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETag, EntityTag};
use actix_web::{HttpResponse, get, web};
use service_kit::etag::IfNoneMatch;
use service_kit::problem::{Path, Problem};
use service_kit::retry::retried;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgPool};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::products::ProductId;

/// A day: a picture changes only with the product's name, type or brand, and then a client that asks
/// again with its tag learns of it.
const CACHING: &str = "public, max-age=86400";

/// What of a product its picture shows.
#[derive(Debug, Clone, FromRow)]
struct Subject {
    product_id: i64,
    name: String,
    product_type_id: i32,
    product_brand_id: i32,
    brand: String,
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_picture);
}

/// Gets a product's picture.
#[utoipa::path(
    tag = "products",
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-None-Match" = Option<String>, Header, description = "the entity tags that the client has"),
    ),
    responses(
        (status = 200, description = "the picture", body = String, content_type = "image/svg+xml",
            headers(("ETag" = String, description = "the picture's tag"))),
        (status = 304, description = "the client has it"),
        (status = 400, description = "no id"),
        (status = 404, description = "no such product"),
    )
)]
#[get("/items/{id}/pic")]
async fn get_picture(
    Path(id): Path<ProductId>,
    known: IfNoneMatch,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    let subject = retried(|| find(&pool, id)).await?;
    let subject = subject.ok_or_else(|| Problem::not_found(format!("there is no product {id}")))?;
    let picture = scene::draw(&subject);
    let tag = ETag(EntityTag::new_strong(fingerprint(&picture)));
    let is_known = known.has_tag(&tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(tag).insert_header((CACHE_CONTROL, CACHING));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, "image/svg+xml")).body(picture))
}

async fn find(pool: &PgPool, id: ProductId) -> Result<Option<Subject>, sqlx::Error> {
    sqlx::query_as(
        "select product_id, product.name, product_type_id, product_brand_id, product_brand.name as brand
           from product join product_brand using (product_brand_id) where product_id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
}

/// The first 16 hexadecimal digits of the picture's SHA-256.
fn fingerprint(picture: &str) -> String {
    let digest = Sha256::digest(picture);
    digest.iter().take(8).flat_map(|byte| [byte >> 4, byte & 0x0F]).map(digit).collect()
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}
