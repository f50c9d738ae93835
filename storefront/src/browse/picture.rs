//! A product's picture, passed on from the catalogue: pages load nothing from other sites.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use service_kit::problem::Problem;

use crate::pages::Shop;

/// An hour. After that, a browser sends the picture's tag.
const CACHING: &str = "public, max-age=3600";

#[get("/pictures/{id}")]
pub(super) async fn show(
    request: HttpRequest,
    id: web::Path<i64>,
    shop: web::Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let reply = shop.catalog.picture(*id, known).await?;
    let is_known = reply.status == reqwest::StatusCode::NOT_MODIFIED;
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, CACHING));
    if let Some(tag) = reply.header("etag") {
        answer.insert_header((ETAG, tag));
    }
    if is_known {
        return Ok(answer.finish());
    }
    // Not the catalogue's media type: this site shows nothing but SVG as a picture.
    Ok(answer.insert_header((CONTENT_TYPE, "image/svg+xml")).body(reply.body))
}
