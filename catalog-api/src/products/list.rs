//! The list of products: filters, pages, and how many there are.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use service_kit::problem::{self, Problem, Query};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, Row};
use utoipa::ToSchema;

use super::filter::Filter;
use super::{Item, ItemBody};
use crate::app::Catalog;

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Page)]
pub(super) struct PageBody {
    /// The page, from 0.
    page_index: u32,
    /// Products on a page.
    page_size: u8,
    /// Products that the filters let through, on all pages.
    count: i64,
    /// The products of this page, by id.
    data: Vec<ItemBody>,
}

/// Lists products, by id.
#[utoipa::path(
    tag = "products",
    params(Filter),
    responses(
        (status = 200, description = "a page of products", body = PageBody),
        (status = 400, description = "not valid", body = problem::Body, content_type = "application/problem+json"),
    )
)]
#[get("/items")]
pub(super) async fn list_items(
    filter: Query<Filter>,
    catalog: web::Data<Catalog>,
) -> Result<HttpResponse, Problem> {
    let (count, items) = find(catalog.pool(), &filter.0).await?;
    let (page_index, page_size) = (filter.0.page_index, filter.0.page_size.get());
    let data = items.iter().map(ItemBody::from).collect();
    Ok(HttpResponse::Ok().json(PageBody { page_index, page_size, count, data }))
}

/// Finds a page, and counts what the filters let through, in one statement.
async fn find(pool: &PgPool, filter: &Filter) -> Result<(i64, Vec<Item>), sqlx::Error> {
    let mut query = QueryBuilder::new(
        "with page as (
             select product_id, name, description, price, product_type_id, product_brand_id,
                    available_stock, restock_threshold, max_stock_threshold, version
               from product where true",
    );
    push_conditions(&mut query, filter);
    query.push(" order by product_id limit ").push_bind(i64::from(filter.page_size.get()));
    query.push(" offset ").push_bind(i64::from(filter.page_index) * i64::from(filter.page_size.get()));
    // A page beyond the end has no products, but the count all the same: hence the outer join.
    query.push(") select total.count, page.* from (select count(*) from product where true");
    push_conditions(&mut query, filter);
    query.push(") as total left join page on true order by product_id");
    let rows = query.build().fetch_all(pool).await?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get("count"))?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get::<Option<i64>, _>("product_id")?.is_some() {
            items.push(Item::from_row(row)?);
        }
    }
    Ok((count, items))
}

fn push_conditions(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(prefix) = &filter.name {
        // A range instead of `like`: nothing to escape, and a plan made for any prefix can use the
        // index. No name goes on with the last of all characters.
        query.push(" and lower(name) ~>=~ lower(").push_bind(prefix.as_str().to_owned());
        query.push(") and lower(name) ~<~ (lower(").push_bind(prefix.as_str().to_owned());
        query.push(") || chr(1114111))");
    }
    if let Some(id) = filter.type_id {
        query.push(" and product_type_id = ").push_bind(id);
    }
    if let Some(id) = filter.brand_id {
        query.push(" and product_brand_id = ").push_bind(id);
    }
    if let Some(ids) = &filter.ids {
        query.push(" and product_id = any(").push_bind(ids.as_slice().to_vec()).push(")");
    }
}
