//! The published keys.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use service_kit::auth::PublicKey;
use service_kit::problem::Problem;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Published;

/// Adds the route.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(jwks);
}

/// Keys, in the form of RFC 7517.
#[derive(Serialize, ToSchema)]
struct KeySet {
    /// Every key that counts.
    keys: Vec<PublicKey>,
}

/// The keys that tokens are checked with.
#[utoipa::path(tag = "keys", responses((status = 200, description = "every key that counts", body = KeySet)))]
#[get("/.well-known/jwks.json")]
async fn jwks(published: web::Data<Published>) -> Result<HttpResponse, Problem> {
    let keys = published.keys().await?.to_vec();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=15")).json(KeySet { keys }))
}
