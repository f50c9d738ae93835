//! The lists that everybody may see.
//!
//! This module has an index of its own, and hears of lists by their domain events, in the transaction of the change:
//! what everybody sees is never ahead of a list, nor behind it. It does not know whose a list is.

use std::pin::Pin;

use actix_web::{get, web};
use service_kit::app::Applied;
use service_kit::page::Page;
use service_kit::problem::{Problem, Query};
use service_kit::retry::retried;
use sqlx::{PgConnection, PgPool};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::lists::{List, ListEvent};
use crate::page::PageQuery;

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_public_lists);
}

/// Hears of what happened to a list.
pub fn hear<'a>(
    tx: &'a mut PgConnection,
    event: &'a ListEvent,
) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>> {
    Box::pin(async move {
        let withdrawn = match event {
            ListEvent::Changed(list) if list.is_public => return show(tx, list).await,
            ListEvent::Changed(list) => list.list_id,
            ListEvent::Deleted(list) => *list,
        };
        sqlx::query("delete from public_list where list_id = $1").bind(withdrawn).execute(tx).await?;
        Ok(())
    })
}

async fn show(tx: &mut PgConnection, list: &List) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into public_list (list_id, name, product_ids, version) values ($1, $2, $3, $4)
         on conflict (list_id) do update
            set name = excluded.name, product_ids = excluded.product_ids, version = excluded.version",
    )
    .bind(list.list_id)
    .bind(&list.name)
    .bind(&list.product_ids)
    .bind(list.version)
    .execute(tx)
    .await?;
    Ok(())
}

/// Lists the public lists of all buyers, those first that were made public last.
#[utoipa::path(
    tag = "public lists",
    params(
        ("pageIndex" = Option<i64>, Query, minimum = 0, description = "the page, from 0"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100, description = "lists on a page; 10 if not given"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "one page of the lists", body = Page<List>),
        (status = 400, description = "a page that cannot be"),
    )
)]
#[get("/api/v1/lists")]
async fn list_public_lists(
    _: Applied,
    Query(query): Query<PageQuery>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Page<List>>, Problem> {
    let window = query.window();
    let count = retried(|| async {
        sqlx::query_scalar("select count(*) from public_list").fetch_one(pool.get_ref()).await
    });
    let lists = retried(|| async {
        sqlx::query_as(
            "select list_id, name, true as is_public, product_ids, version from public_list
              order by published_at desc, list_id desc offset $1 limit $2",
        )
        .bind(window.offset())
        .bind(window.limit())
        .fetch_all(pool.get_ref())
        .await
    });
    let (count, data) = (count.await?, lists.await?);
    Ok(web::Json(window.page(count, data)))
}
