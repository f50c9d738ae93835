//! The routes of the products.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, delete, get, post, put, web};
use event_bus::outbox::AppendError;
use service_kit::etag::{self, IfMatch, IfNoneMatch};
use service_kit::page::Page;
use service_kit::problem::{Json, Path, Problem, Query};
use sqlx::PgPool;
use utoipa::IntoResponses;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::{self, Changed, ProductError};
use super::{BASE, Details, Filter, ItemBody, PriceChange, ProductId, Products, StockChange};
use crate::changes::Changes;
use crate::command::Command;
use crate::idempotency::Answer;

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_items).service(get_item);
    config
        .service(add_item)
        .service(change_price)
        .service(set_stock)
        .service(replace_item)
        .service(remove_item);
}

/// Changes a product's price.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-Match" = Option<String>, Header, description = "the version that the change is meant for"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes it safe to send the request again",
            min_length = 1, max_length = 255, pattern = r"^[!-~]+$"),
    ),
    request_body = PriceChange,
    responses(
        (status = 200, description = "the product; the price that it had already is no change", body = ItemBody,
            headers(("ETag" = String, description = "its version"),
                    ("Event-Id" = String, description = "the event, if something was announced"))),
        WrongBody, WrongTarget
    )
)]
#[put("/items/{id}/price")]
async fn change_price(
    command: Command,
    Path(id): Path<ProductId>,
    if_match: IfMatch,
    changes: web::Data<Changes>,
    body: Json<PriceChange>,
) -> Result<HttpResponse, Problem> {
    let command = command.repeatable(&body.bytes);
    let change = async |tx: &mut _| {
        let outcome = store::change_price(tx, id, &if_match, body.value.price, &command.trace).await;
        answer(StatusCode::OK, outcome)
    };
    changes.make(&command, change).await
}

/// Sets how many pieces of a product can be sold, beside those that are reserved for orders.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-Match" = Option<String>, Header, description = "the version that the change is meant for"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes it safe to send the request again",
            min_length = 1, max_length = 255, pattern = r"^[!-~]+$"),
    ),
    request_body = StockChange,
    responses(
        (status = 200, description = "the product", body = ItemBody,
            headers(("ETag" = String, description = "its version"))),
        WrongBody, WrongTarget
    )
)]
#[put("/items/{id}/stock")]
async fn set_stock(
    command: Command,
    Path(id): Path<ProductId>,
    if_match: IfMatch,
    changes: web::Data<Changes>,
    body: Json<StockChange>,
) -> Result<HttpResponse, Problem> {
    let command = command.repeatable(&body.bytes);
    let change = async |tx: &mut _| {
        answer(StatusCode::OK, store::set_stock(tx, id, &if_match, body.value.available_stock).await)
    };
    changes.make(&command, change).await
}

/// Replaces everything of a product that a client decides.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-Match" = Option<String>, Header, description = "the version that the change is meant for"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes it safe to send the request again",
            min_length = 1, max_length = 255, pattern = r"^[!-~]+$"),
    ),
    request_body = Details,
    responses(
        (status = 200, description = "the product", body = ItemBody, headers(
            ("ETag" = String, description = "its version"),
            ("Event-Id" = String, description = "the events, if something was announced, with commas between"))),
        WrongBody, WrongTarget
    )
)]
#[put("/items/{id}")]
async fn replace_item(
    command: Command,
    Path(id): Path<ProductId>,
    if_match: IfMatch,
    changes: web::Data<Changes>,
    body: Json<Details>,
) -> Result<HttpResponse, Problem> {
    body.value.check()?;
    let command = command.repeatable(&body.bytes);
    let change = async |tx: &mut _| {
        answer(StatusCode::OK, store::replace(tx, id, &if_match, &body.value, &command.trace).await)
    };
    changes.make(&command, change).await
}

/// Adds a product.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["catalog:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes it safe to send the request again",
            min_length = 1, max_length = 255, pattern = r"^[!-~]+$")),
    request_body = Details,
    responses(
        (status = 201, description = "added", body = ItemBody, headers(
            ("Location" = String, description = "where it is"), ("ETag" = String, description = "its version"),
            ("Event-Id" = String, description = "the event that announces it"))),
        WrongBody
    )
)]
#[post("/items")]
async fn add_item(
    command: Command,
    changes: web::Data<Changes>,
    body: Json<Details>,
) -> Result<HttpResponse, Problem> {
    body.value.check()?;
    let command = command.repeatable(&body.bytes);
    let change = async |tx: &mut _| {
        let added = store::add(tx, &body.value, &command.trace).await?;
        let location = format!("{BASE}/items/{}", added.product.id);
        Ok(answer(StatusCode::CREATED, Ok(added))?.location(location))
    };
    changes.make(&command, change).await
}

/// Removes a product.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i64, Path, description = "which product", minimum = 1),
        ("If-Match" = Option<String>, Header, description = "the version that the change is meant for"),
    ),
    responses(
        (status = 204, description = "removed", headers(
            ("Event-Id" = String, description = "the event that announces it"))),
        (status = 400, description = "no id"), WrongTarget
    )
)]
#[delete("/items/{id}")]
async fn remove_item(
    command: Command,
    Path(id): Path<ProductId>,
    if_match: IfMatch,
    changes: web::Data<Changes>,
) -> Result<HttpResponse, Problem> {
    let change = async |tx: &mut _| {
        let event_ids = store::remove(tx, id, &if_match, &command.trace).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT).events(&event_ids))
    };
    changes.make(&command, change).await
}

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
        (status = 400, description = "no id"),
        (status = 404, description = "no such product"),
    )
)]
#[get("/items/{id}")]
async fn get_item(
    Path(id): Path<ProductId>,
    known: IfNoneMatch,
    products: web::Data<Products>,
) -> Result<HttpResponse, Problem> {
    let product = products.load(id).await?.ok_or(ProductError::NoSuchProduct(id))?;
    let is_known = known.has(product.version);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(etag::of(product.version)).insert_header((CACHE_CONTROL, "no-cache"));
    Ok(if is_known { response.finish() } else { response.json(ItemBody::from(&product)) })
}

/// Lists products, by id.
#[utoipa::path(
    tag = "products",
    params(Filter),
    responses(
        (status = 200, description = "a page of products", body = Page<ItemBody>),
        (status = 400, description = "not valid"),
    )
)]
#[get("/items")]
async fn list_items(filter: Query<Filter>, pool: web::Data<PgPool>) -> Result<HttpResponse, Problem> {
    let (count, products) = store::list(&pool, &filter.0).await?;
    let data: Vec<ItemBody> = products.iter().map(ItemBody::from).collect();
    Ok(HttpResponse::Ok().json(filter.0.window().page(count, data)))
}

/// The answer to a change: the product with its version, and the events.
fn answer(status: StatusCode, changed: Result<Changed, ProductError>) -> Result<Answer, Problem> {
    let Changed { product, event_ids } = changed?;
    Ok(Answer::json(status, &ItemBody::from(&product))?.etag(product.version).events(&event_ids))
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        let text = error.to_string();
        match error {
            ProductError::NoSuchProduct(_) => Self::not_found(text),
            ProductError::OtherVersion(_) => Self::precondition_failed(text),
            ProductError::NoSuchType => Self::unprocessable(text).at("#/typeId", "unknown type"),
            ProductError::NoSuchBrand => Self::unprocessable(text).at("#/brandId", "unknown brand"),
            ProductError::TooMuchStock { .. } => Self::validation(text.clone()).at("#/availableStock", text),
            ProductError::Append(AppendError::Database(error)) | ProductError::Database(error) => {
                error.into()
            }
            ProductError::Append(error) => Self::internal(&error),
        }
    }
}

/// What is wrong with a body, or with the key that it came with. For the documentation.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the OpenAPI document is made of it")]
enum WrongBody {
    /// not valid
    #[response(status = 400)]
    Invalid,
    /// a request with this idempotency-key is still running
    #[response(status = 409)]
    Running,
    /// too large
    #[response(status = 413)]
    TooLarge,
    /// not JSON
    #[response(status = 415)]
    NotJson,
    /// an unknown type or brand, or an idempotency-key that was used with another body or if-match
    #[response(status = 422)]
    Unprocessable,
}

/// Why there is nothing to change. For the documentation.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the OpenAPI document is made of it")]
enum WrongTarget {
    /// no such product
    #[response(status = 404)]
    Missing,
    /// it is not at the version of `If-Match`
    #[response(status = 412)]
    Changed,
}
