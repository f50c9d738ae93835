//! The basket's routes.

use actix_web::{
    HttpResponse, delete, get,
    http::{StatusCode, header::CACHE_CONTROL},
    put, web,
};
use serde::Deserialize;
use service_kit::{
    app::Applied,
    etag::{self, IfMatch, IfNoneMatch},
    problem::{Json, Problem},
    trace::RequestTrace,
};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    model::{Basket, MAX_LINES, Quantity},
    route::{Buyer, InBasket},
    store::{self, Baskets, Put, Taken},
};
use crate::products::{
    ProductId,
    look_up::{self, LookUp, LookedUp},
};

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_basket).service(put_item).service(delete_item).service(delete_basket);
}

/// How many pieces of a product the buyer wants. The price is not theirs to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    quantity: Quantity,
}

/// Shows the buyer's basket; an empty one if they never put anything in.
#[utoipa::path(
    tag = "basket",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("If-None-Match" = Option<String>, Header, description = "the basket's `ETag`, to be told only of changes"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "the basket", body = Basket,
            headers(("ETag" = String, description = "the basket's version"))),
        (status = 304, description = "the basket is still at the version in `If-None-Match`"),
        (status = 404, description = "another buyer's basket"),
    )
)]
#[get("/api/v1/basket/{buyerId}")]
async fn get_basket(
    buyer: Buyer,
    _: Applied,
    if_none_match: IfNoneMatch,
    baskets: web::Data<Baskets>,
) -> Result<HttpResponse, Problem> {
    let basket = baskets.load(buyer.id.clone()).await?.unwrap_or_else(|| Basket::empty(buyer.id));
    // A client may keep it, but must ask each time: an event may have changed it.
    let keep = (CACHE_CONTROL, "private, no-cache");
    let tag = etag::of(basket.version);
    if if_none_match.has(basket.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).insert_header(keep).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).insert_header(keep).json(basket))
}

/// Puts a product into the basket at its present price, or changes how many pieces of it are in there.
#[utoipa::path(
    tag = "basket",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("productId" = i64, Path, minimum = 1, description = "the product's id in the catalog"),
        ("If-Match" = Option<String>, Header, description = "the `ETag` of the basket that is meant"),
    ),
    request_body = Wanted,
    responses(
        (status = 200, description = "the basket with the product in it", body = Basket,
            headers(("ETag" = String, description = "the basket's version"))),
        (status = 400, description = "a quantity outside 1–99, or a body or an id that cannot be read"),
        (status = 404, description = "another buyer's basket, or a product that the catalog does not sell"),
        (status = 409, description = "the basket holds 100 products already"),
        (status = 412, description = "the basket is not the one in `If-Match`"),
        (status = 503, description = "not now, for instance because the product is not known here yet and the \
                                      catalog cannot be asked: see `Retry-After`"),
    )
)]
#[put("/api/v1/basket/{buyerId}/items/{productId}")]
async fn put_item(
    buyer: Buyer,
    InBasket(product): InBasket,
    if_match: IfMatch,
    trace: RequestTrace,
    wanted: Json<Wanted>,
    pool: web::Data<PgPool>,
    look_up: web::Data<LookUp>,
) -> Result<HttpResponse, Problem> {
    let put = async || store::put_item(&pool, &buyer.id, product, wanted.value.quantity, &if_match).await;
    let mut outcome = put().await?;
    if let Put::UnknownProduct = outcome {
        outcome = match look_up.product(product, &trace).await? {
            LookedUp::Known => put().await?,
            LookedUp::NoSuchProduct => Put::RemovedProduct,
        };
    }
    match outcome {
        Put::Done(basket) => Ok(HttpResponse::Ok().insert_header(etag::of(basket.version)).json(basket)),
        Put::RemovedProduct => Err(no_such_product(product)),
        Put::UnknownProduct => Err(look_up::cannot_ask()),
        Put::Full => Err(full()),
        Put::Stale(version) => Err(stale(&if_match, version)),
    }
}

/// Takes a product out of the basket. One that is not in it is no error.
#[utoipa::path(
    tag = "basket",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("productId" = i64, Path, minimum = 1, description = "the product's id in the catalog"),
        ("If-Match" = Option<String>, Header, description = "the `ETag` of the basket that is meant"),
    ),
    responses(
        (status = 204, description = "the product is not in the basket any more"),
        (status = 400, description = "not a product's id"),
        (status = 404, description = "another buyer's basket"),
        (status = 412, description = "the basket is not the one in `If-Match`"),
    )
)]
#[delete("/api/v1/basket/{buyerId}/items/{productId}")]
async fn delete_item(
    buyer: Buyer,
    InBasket(product): InBasket,
    if_match: IfMatch,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    taken(store::delete(&pool, &buyer.id, Some(product), &if_match).await?, &if_match)
}

/// Takes everything out of the basket. Alerts stay.
#[utoipa::path(
    tag = "basket",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("If-Match" = Option<String>, Header, description = "the `ETag` of the basket that is meant"),
    ),
    responses(
        (status = 204, description = "the basket is empty"),
        (status = 404, description = "another buyer's basket"),
        (status = 412, description = "the basket is not the one in `If-Match`"),
    )
)]
#[delete("/api/v1/basket/{buyerId}")]
async fn delete_basket(
    buyer: Buyer,
    if_match: IfMatch,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    taken(store::delete(&pool, &buyer.id, None, &if_match).await?, &if_match)
}

fn taken(outcome: Taken, if_match: &IfMatch) -> Result<HttpResponse, Problem> {
    match outcome {
        Taken::Done => Ok(HttpResponse::NoContent().finish()),
        Taken::Stale(version) => Err(stale(if_match, version)),
    }
}

fn no_such_product(id: ProductId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-product", "the catalog does not sell this")
        .detail(format!("there is no product {id}, or it is not sold any more"))
}

fn full() -> Problem {
    Problem::new(StatusCode::CONFLICT, "basket-full", "the basket is full")
        .detail(format!("a basket holds at most {MAX_LINES} different products: take one out first"))
}

fn stale(if_match: &IfMatch, version: i64) -> Problem {
    Problem::precondition_failed(format!("the basket: {}", if_match.refusal(version)))
}
