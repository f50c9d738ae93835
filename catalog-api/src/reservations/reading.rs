//! The route that shows merchants what is reserved for which order.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::auth::Authorized;
use service_kit::page::{Page, PageSize, Window};
use service_kit::problem::{Problem, Query};
use service_kit::retry::retried;
use sqlx::types::Json;
use sqlx::{PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::{Item, OrderId};
use super::store::State;
use crate::command::CatalogWrite;

/// Adds the route.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_reservations);
}

/// Which page of which reservations.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Which {
    state: Option<State>,
    page_index: Option<u32>,
    page_size: Option<PageSize>,
}

/// The stock of one order.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    /// The order.
    #[schema(value_type = uuid::Uuid)]
    order_id: OrderId,
    /// Where its stock is.
    state: State,
    /// What was reserved; nothing where the order was rejected, or its stock released before it was asked for.
    #[schema(value_type = Vec<Item>)]
    items: Json<Vec<Item>>,
    /// When the order asked for it.
    created_at: DateTime<Utc>,
    /// Since when it is in this state.
    changed_at: DateTime<Utc>,
}

/// Lists what orders have reserved, newest first.
#[utoipa::path(
    tag = "reservations",
    security(("bearer" = ["catalog:write"])),
    params(
        ("state" = Option<State>, Query, description = "only reservations in this state; `reserved` are those of open orders"),
        ("pageIndex" = Option<i64>, Query, minimum = 0, maximum = 4_294_967_295_i64, description = "the page, from 0"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100,
            description = "reservations on a page; 10 if not given"),
    ),
    responses(
        (status = 200, description = "one page of the reservations", body = Page<Reservation>),
        (status = 400, description = "a page or a state that cannot be"),
    )
)]
#[get("/reservations")]
async fn list_reservations(
    _: Authorized<CatalogWrite>,
    Query(which): Query<Which>,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    let window = Window::new(which.page_index, which.page_size, 10);
    let (count, data) = retried(|| find(&pool, which.state, window)).await?;
    Ok(HttpResponse::Ok().json(window.page(count, data)))
}

async fn find(
    pool: &PgPool,
    state: Option<State>,
    window: Window,
) -> Result<(i64, Vec<Reservation>), sqlx::Error> {
    let only = |query: &mut QueryBuilder<Postgres>| {
        if let Some(state) = state {
            query.push(" where state = ").push_bind(state);
        }
    };
    let mut query = QueryBuilder::new("select count(*) from reservation");
    only(&mut query);
    let count = query.build_query_scalar().fetch_one(pool).await?;

    let mut query = QueryBuilder::new(
        "select order_id, state, created_at, changed_at,
                (select coalesce(json_agg(json_build_object('productId', product_id, 'quantity', quantity)
                                          order by product_id), '[]')
                   from reservation_line as line where line.order_id = reservation.order_id) as items
           from reservation",
    );
    only(&mut query);
    query.push(" order by created_at desc, order_id desc limit ").push_bind(window.limit());
    query.push(" offset ").push_bind(window.offset());
    Ok((count, query.build_query_as().fetch_all(pool).await?))
}
