//! The routes of a buyer's digests.

use actix_web::{HttpResponse, get, put, web};
use serde::{Deserialize, Serialize};
use service_kit::app::Applied;
use service_kit::change::ChangeError;
use service_kit::database;
use service_kit::problem::{Json, Problem};
use service_kit::retry::retried;
use service_kit::trace::RequestTrace;
use sqlx::PgPool;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Digests, store};
use crate::baskets::route::Buyer;

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_digest).service(put_digest);
}

/// Whether a buyer wants their alerts in one mail a day.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DigestWish {
    /// Whether they do. The mail goes to the address that they registered with; without one there is none.
    wanted: bool,
}

/// Says whether the buyer wants their alerts in one mail a day.
#[utoipa::path(
    tag = "alerts",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "whether it is wanted", body = DigestWish),
        (status = 404, description = "another buyer's basket"),
    )
)]
#[get("/api/v1/basket/{buyerId}/digest")]
async fn get_digest(buyer: Buyer, _: Applied, pool: web::Data<PgPool>) -> Result<HttpResponse, Problem> {
    let wanted = retried(|| async { store::is_wanted(&mut *pool.acquire().await?, &buyer.id).await }).await?;
    Ok(HttpResponse::Ok().json(DigestWish { wanted }))
}

/// Has the buyer's alerts sent to them in one mail a day from now on, or no more.
///
/// What they have acknowledged by then is left out, and where there is nothing there is no mail.
#[utoipa::path(
    tag = "alerts",
    security(("bearer" = [])),
    params(("buyerId" = String, Path, description = "the token's `sub`")),
    request_body = DigestWish,
    responses(
        (status = 200, description = "as it is now", body = DigestWish),
        (status = 400, description = "a body that cannot be read"),
        (status = 404, description = "another buyer's basket"),
    )
)]
#[put("/api/v1/basket/{buyerId}/digest")]
async fn put_digest(
    buyer: Buyer,
    wish: Json<DigestWish>,
    trace: RequestTrace,
    pool: web::Data<PgPool>,
    digests: web::Data<Digests>,
) -> Result<HttpResponse, Problem> {
    let change = retried(|| async {
        let mut tx = database::begin(&pool).await?;
        let is_change =
            store::want(&mut tx, &buyer.id, wish.value.wanted, digests.every_s, &trace.context).await?;
        tx.commit().await?;
        Ok::<_, ChangeError>(is_change)
    });
    if change.await? {
        (digests.notify)();
    }
    Ok(HttpResponse::Ok().json(wish.value))
}
