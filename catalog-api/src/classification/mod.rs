//! Types and brands: what products are sorted by. They come with the seed and do not change.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use service_kit::problem::Problem;
use service_kit::retry::retried;
use sqlx::{FromRow, PgPool};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// A type of product.
#[derive(Debug, Serialize, FromRow, ToSchema)]
struct CatalogType {
    /// Which one.
    id: i32,
    /// What it is called.
    #[schema(example = "Tents")]
    name: String,
}

/// A brand.
#[derive(Debug, Serialize, FromRow, ToSchema)]
struct CatalogBrand {
    /// Which one.
    id: i32,
    /// What it is called.
    #[schema(example = "Larkfell")]
    name: String,
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_types).service(list_brands);
}

/// Lists the types, by id.
#[utoipa::path(tag = "classification", responses((status = 200, description = "the types", body = [CatalogType])))]
#[get("/catalogtypes")]
async fn list_types(pool: web::Data<PgPool>) -> Result<HttpResponse, Problem> {
    let types: Vec<CatalogType> = retried(|| async {
        sqlx::query_as("select product_type_id as id, name from product_type order by product_type_id")
            .fetch_all(pool.as_ref())
            .await
    })
    .await?;
    Ok(HttpResponse::Ok().json(types))
}

/// Lists the brands, by id.
#[utoipa::path(tag = "classification", responses((status = 200, description = "the brands", body = [CatalogBrand])))]
#[get("/catalogbrands")]
async fn list_brands(pool: web::Data<PgPool>) -> Result<HttpResponse, Problem> {
    let brands: Vec<CatalogBrand> = retried(|| async {
        sqlx::query_as("select product_brand_id as id, name from product_brand order by product_brand_id")
            .fetch_all(pool.as_ref())
            .await
    })
    .await?;
    Ok(HttpResponse::Ok().json(brands))
}
