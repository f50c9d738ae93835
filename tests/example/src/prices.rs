//! What the service is about: it notes the prices that products change to.

use actix_web::{get, web};
use event_bus::{HandleError, Handler, Received};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};

/// Notes new prices.
pub(crate) struct NotePrice;

/// The fields that are read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductPriceChanged {
    product_id: i64,
    new_price: Decimal,
}

impl Handler for NotePrice {
    const EVENT_TYPE: &'static str = "shop.catalog.product_price_changed.v1";
    type Payload = ProductPriceChanged;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<ProductPriceChanged>,
    ) -> Result<(), HandleError> {
        sqlx::query("insert into noted_price (product_id, price) values ($1, $2)")
            .bind(event.data.product_id)
            .bind(event.data.new_price)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

/// A noted price.
#[derive(Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotedPrice {
    product_id: i64,
    #[schema(value_type = String)]
    price: Decimal,
}

/// The last 20 noted prices, the newest first.
#[utoipa::path(tag = "prices", responses((status = 200, description = "the prices", body = Vec<NotedPrice>)))]
#[get("/api/v1/example/prices")]
pub(crate) async fn list_prices(pool: web::Data<PgPool>) -> Result<web::Json<Vec<NotedPrice>>, Problem> {
    let query = "select product_id, price from noted_price order by noted_price_id desc limit 20";
    let prices = sqlx::query_as(query).fetch_all(pool.get_ref()).await;
    prices.map(web::Json).map_err(|error| Problem::internal(&error))
}
