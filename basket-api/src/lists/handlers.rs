//! The routes of a buyer's lists.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, dev::Payload, get, post, put, web};
use service_kit::app::Applied;
use service_kit::database;
use service_kit::etag::{self, IfMatch, IfNoneMatch};
use service_kit::page::Page;
use service_kit::problem::{Json, Problem, Query};
use service_kit::retry::retried;
use sqlx::PgPool;
use std::future::{Ready, ready};
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::{MAX_LISTS, WantedList};
use super::store::{self, Changed};
use super::{List, ListEvent, ListId, Listeners};
use crate::baskets::route::Buyer;
use crate::page::PageQuery;

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_lists).service(create_list).service(get_list).service(put_list).service(delete_list);
}

/// The list that the address names; 404 for what cannot be a list's id.
struct Named(ListId);

impl FromRequest for Named {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("listId").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(no_such_list))
    }
}

/// Lists the buyer's lists, the oldest first.
#[utoipa::path(
    tag = "lists",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("pageIndex" = Option<i64>, Query, minimum = 0, description = "the page, from 0"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100, description = "lists on a page; 10 if not given"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "one page of the lists", body = Page<List>),
        (status = 400, description = "a page that cannot be"),
        (status = 404, description = "another buyer's lists"),
    )
)]
#[get("/api/v1/basket/{buyerId}/lists")]
async fn list_lists(
    buyer: Buyer,
    _: Applied,
    Query(query): Query<PageQuery>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Page<List>>, Problem> {
    let window = query.window();
    let (count, data) =
        retried(|| async { store::of_buyer(&mut *pool.acquire().await?, &buyer.id, window).await }).await?;
    Ok(web::Json(window.page(count, data)))
}

/// Makes a list.
#[utoipa::path(
    tag = "lists",
    security(("bearer" = [])),
    params(("buyerId" = String, Path, description = "the token's `sub`")),
    request_body = WantedList,
    responses(
        (status = 201, description = "the list", body = List, headers(
            ("ETag" = String, description = "the list's version"),
            ("Location" = String, description = "where it is"))),
        (status = 400, description = "a name or products that cannot be, or a body that cannot be read"),
        (status = 404, description = "another buyer's lists"),
        (status = 409, description = "the buyer has 50 lists already"),
    )
)]
#[post("/api/v1/basket/{buyerId}/lists")]
async fn create_list(
    buyer: Buyer,
    wanted: Json<WantedList>,
    pool: web::Data<PgPool>,
    listeners: web::Data<Listeners>,
) -> Result<HttpResponse, Problem> {
    let list = retried(|| async {
        let mut tx = database::begin(&pool).await?;
        let list = store::create(&mut tx, &buyer.id, &wanted.value).await?.ok_or_else(too_many)?;
        listeners.tell(&mut tx, &ListEvent::Changed(list.clone())).await?;
        tx.commit().await?;
        Ok::<_, Problem>(list)
    });
    let list = list.await?;
    let location = format!("/api/v1/basket/{}/lists/{}", buyer.id, list.list_id);
    let mut answer = HttpResponse::Created();
    Ok(answer.insert_header((LOCATION, location)).insert_header(etag::of(list.version)).json(list))
}

/// Shows a list.
#[utoipa::path(
    tag = "lists",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("listId" = Uuid, Path, description = "which list"),
        ("If-None-Match" = Option<String>, Header, description = "the list's `ETag`, to be told only of changes"),
        ("X-Applied" = Option<Uuid>, Header, description = "an event that this is to show the effect of"),
    ),
    responses(
        (status = 200, description = "the list", body = List,
            headers(("ETag" = String, description = "the list's version"))),
        (status = 304, description = "the list is still at the version in `If-None-Match`"),
        (status = 404, description = "no such list of this buyer"),
    )
)]
#[get("/api/v1/basket/{buyerId}/lists/{listId}")]
async fn get_list(
    buyer: Buyer,
    Named(list): Named,
    _: Applied,
    if_none_match: IfNoneMatch,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    let found = retried(|| async { store::find(&mut *pool.acquire().await?, &buyer.id, list).await }).await?;
    let list = found.ok_or_else(no_such_list)?;
    let (tag, keep) = (etag::of(list.version), (CACHE_CONTROL, "private, no-cache"));
    if if_none_match.has(list.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).insert_header(keep).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).insert_header(keep).json(list))
}

/// Replaces a list: its name, whether it is public, and what is on it.
#[utoipa::path(
    tag = "lists",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("listId" = Uuid, Path, description = "which list"),
        ("If-Match" = Option<String>, Header, description = "the `ETag` of the list that is meant"),
    ),
    request_body = WantedList,
    responses(
        (status = 200, description = "the list", body = List,
            headers(("ETag" = String, description = "the list's version"))),
        (status = 400, description = "a name or products that cannot be, or a body that cannot be read"),
        (status = 404, description = "no such list of this buyer"),
        (status = 412, description = "the list is not the one in `If-Match`"),
    )
)]
#[put("/api/v1/basket/{buyerId}/lists/{listId}")]
async fn put_list(
    buyer: Buyer,
    Named(list): Named,
    if_match: IfMatch,
    wanted: Json<WantedList>,
    pool: web::Data<PgPool>,
    listeners: web::Data<Listeners>,
) -> Result<HttpResponse, Problem> {
    let list = retried(|| async {
        let mut tx = database::begin(&pool).await?;
        let changed = store::replace(&mut tx, &buyer.id, list, &wanted.value, &if_match).await?;
        let list = done(changed, &if_match)?;
        listeners.tell(&mut tx, &ListEvent::Changed(list.clone())).await?;
        tx.commit().await?;
        Ok::<_, Problem>(list)
    });
    let list = list.await?;
    Ok(HttpResponse::Ok().insert_header(etag::of(list.version)).json(list))
}

/// Deletes a list.
#[utoipa::path(
    tag = "lists",
    security(("bearer" = [])),
    params(
        ("buyerId" = String, Path, description = "the token's `sub`"),
        ("listId" = Uuid, Path, description = "which list"),
        ("If-Match" = Option<String>, Header, description = "the `ETag` of the list that is meant"),
    ),
    responses(
        (status = 204, description = "the list is gone"),
        (status = 404, description = "no such list of this buyer"),
        (status = 412, description = "the list is not the one in `If-Match`"),
    )
)]
#[delete("/api/v1/basket/{buyerId}/lists/{listId}")]
async fn delete_list(
    buyer: Buyer,
    Named(list): Named,
    if_match: IfMatch,
    pool: web::Data<PgPool>,
    listeners: web::Data<Listeners>,
) -> Result<HttpResponse, Problem> {
    let deleted = retried(|| async {
        let mut tx = database::begin(&pool).await?;
        let event = done(store::delete(&mut tx, &buyer.id, list, &if_match).await?, &if_match)?;
        listeners.tell(&mut tx, &event).await?;
        Ok::<_, Problem>(tx.commit().await?)
    });
    deleted.await?;
    Ok(HttpResponse::NoContent().finish())
}

fn done<T>(changed: Changed<T>, if_match: &IfMatch) -> Result<T, Problem> {
    match changed {
        Changed::Done(done) => Ok(done),
        Changed::NoSuchList => Err(no_such_list()),
        Changed::Stale(version) => {
            Err(Problem::precondition_failed(format!("the list: {}", if_match.refusal(version))))
        }
    }
}

fn no_such_list() -> Problem {
    Problem::not_found("there is no such list, or it is not yours")
}

fn too_many() -> Problem {
    Problem::new(StatusCode::CONFLICT, "too-many-lists", "there are too many lists")
        .detail(format!("a buyer has at most {MAX_LISTS} lists: delete one first"))
}
