//! The routes that change products. Each is one unit of work.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, post, put, web};
use service_kit::etag::IfMatch;
use service_kit::problem::{Json, Problem};

use super::lookup::no_such_product;
use super::refusals::{WrongBody, WrongId, WrongTarget};
use super::{BASE, Details, ItemBody, PriceChange, Product, ProductId, store};
use crate::app::Catalog;
use crate::command::Command;
use crate::idempotency::Answer;
use crate::unit_of_work::UnitOfWork;

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
pub(super) async fn add_item(
    command: Command,
    catalog: web::Data<Catalog>,
    body: Json<Details>,
) -> Result<HttpResponse, Problem> {
    body.value.check()?;
    let work = async |work: &mut UnitOfWork| {
        check_type_and_brand(work, &body.value).await?;
        let id = store::next_id(work.connection().await?).await?;
        let mut product = Product::new(id, &body.value);
        work.save(&mut product)?;
        let location = format!("{BASE}/items/{}", id.get());
        Ok(answer(StatusCode::CREATED, &product)?.location(location))
    };
    catalog.run(command.repeatable(&body.bytes), work).await
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
pub(super) async fn change_price(
    command: Command,
    id: web::Path<ProductId>,
    if_match: IfMatch,
    catalog: web::Data<Catalog>,
    body: Json<PriceChange>,
) -> Result<HttpResponse, Problem> {
    let work = async |work: &mut UnitOfWork| {
        let mut product = get(work, &catalog, *id, &if_match).await?;
        product.change_price(body.value.price);
        work.save(&mut product)?;
        answer(StatusCode::OK, &product)
    };
    catalog.run(command.repeatable(&body.bytes), work).await
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
pub(super) async fn replace_item(
    command: Command,
    id: web::Path<ProductId>,
    if_match: IfMatch,
    catalog: web::Data<Catalog>,
    body: Json<Details>,
) -> Result<HttpResponse, Problem> {
    body.value.check()?;
    let work = async |work: &mut UnitOfWork| {
        let mut product = get(work, &catalog, *id, &if_match).await?;
        check_type_and_brand(work, &body.value).await?;
        product.replace(&body.value);
        work.save(&mut product)?;
        answer(StatusCode::OK, &product)
    };
    catalog.run(command.repeatable(&body.bytes), work).await
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
        WrongId, WrongTarget
    )
)]
#[delete("/items/{id}")]
pub(super) async fn remove_item(
    command: Command,
    id: web::Path<ProductId>,
    if_match: IfMatch,
    catalog: web::Data<Catalog>,
) -> Result<HttpResponse, Problem> {
    let work = async |work: &mut UnitOfWork| {
        let mut product = get(work, &catalog, *id, &if_match).await?;
        product.remove();
        work.save(&mut product)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    };
    catalog.run(command.once(), work).await
}

/// Reads a product in order to change it: 404 without one, 412 if it is not at the expected version.
async fn get(
    work: &mut UnitOfWork,
    catalog: &Catalog,
    id: ProductId,
    if_match: &IfMatch,
) -> Result<Product, Problem> {
    let product: Product = work.get(catalog.products(), id).await?.ok_or_else(|| no_such_product(id))?;
    if_match.require(product.item().version)?;
    Ok(product)
}

/// 422 for a type or a brand that the catalog does not have.
async fn check_type_and_brand(work: &mut UnitOfWork, details: &Details) -> Result<(), Problem> {
    let known = store::known_type_and_brand(work.connection().await?, details).await?;
    match known {
        (false, _) => Err(Problem::unprocessable("there is no such type").at("#/typeId", "unknown type")),
        (_, false) => Err(Problem::unprocessable("there is no such brand").at("#/brandId", "unknown brand")),
        (true, true) => Ok(()),
    }
}

fn answer(status: StatusCode, product: &Product) -> Result<Answer, Problem> {
    Ok(Answer::json(status, &ItemBody::from(product.item()))?.etag(product.item().version))
}
