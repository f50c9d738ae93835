//! The SQL of lists. Changes are made in the caller's transaction, and say what happened.

use service_kit::etag::IfMatch;
use service_kit::page::Window;
use sqlx::{PgConnection, Postgres, Transaction};

use super::model::{MAX_LISTS, WantedList};
use super::{List, ListEvent, ListId, ListName};
use crate::baskets::BuyerId;

/// The columns of [`List`].
macro_rules! columns {
    () => {
        "list_id, name, is_public, product_ids, version"
    };
}

/// What became of a change.
#[derive(Debug)]
pub enum Changed<T> {
    /// It is made.
    Done(T),
    /// The buyer has no such list.
    NoSuchList,
    /// The caller meant another version of the list than the present one, which is this.
    Stale(i64),
}

/// Lists a buyer's lists, the oldest first, and counts them.
pub async fn of_buyer(
    connection: &mut PgConnection,
    buyer: &BuyerId,
    window: Window,
) -> Result<(i64, Vec<List>), sqlx::Error> {
    let count = sqlx::query_scalar("select count(*) from list where buyer_id = $1")
        .bind(buyer)
        .fetch_one(&mut *connection)
        .await?;
    let lists = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from list where buyer_id = $1 order by created_at, list_id offset $2 limit $3"
    ))
    .bind(buyer)
    .bind(window.offset())
    .bind(window.limit())
    .fetch_all(connection)
    .await?;
    Ok((count, lists))
}

/// Finds a buyer's list.
pub async fn find(
    connection: &mut PgConnection,
    buyer: &BuyerId,
    list: ListId,
) -> Result<Option<List>, sqlx::Error> {
    let query = concat!("select ", columns!(), " from list where buyer_id = $1 and list_id = $2");
    sqlx::query_as(query).bind(buyer).bind(list).fetch_optional(connection).await
}

/// Makes a list. `None`: the buyer has as many as one may have.
pub async fn create(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    wanted: &WantedList,
) -> Result<Option<List>, sqlx::Error> {
    lock_lists_of(tx, buyer).await?;
    sqlx::query_as(concat!(
        "insert into list (list_id, buyer_id, name, is_public, product_ids)
         select $1, $2, $3, $4, $5 where (select count(*) from list where buyer_id = $2) < $6 returning ",
        columns!()
    ))
    .bind(ListId::now_v7())
    .bind(buyer)
    .bind(&wanted.name)
    .bind(wanted.is_public)
    .bind(&wanted.product_ids)
    .bind(MAX_LISTS)
    .fetch_optional(&mut **tx)
    .await
}

/// Makes a buyer's first list, unless the buyer has as many as one may have already: the event that asks for it may come
/// late. The list's id is the event's: a repeat finds it there.
pub async fn create_first(tx: &mut PgConnection, buyer: &BuyerId, list: ListId) -> Result<(), sqlx::Error> {
    lock_lists_of(tx, buyer).await?;
    sqlx::query(
        "insert into list (list_id, buyer_id, name)
         select $1, $2, $3 where (select count(*) from list where buyer_id = $2) < $4
         on conflict (list_id) do nothing",
    )
    .bind(list)
    .bind(buyer)
    .bind(ListName::first())
    .bind(MAX_LISTS)
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces a list.
pub async fn replace(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    list: ListId,
    wanted: &WantedList,
    if_match: &IfMatch,
) -> Result<Changed<List>, sqlx::Error> {
    let old = match locked(tx, buyer, list, if_match).await? {
        Changed::Done(old) => old,
        other => return Ok(other),
    };
    let is_same =
        old.name == wanted.name && old.is_public == wanted.is_public && old.product_ids == wanted.product_ids;
    if is_same {
        return Ok(Changed::Done(old));
    }
    let list = sqlx::query_as(concat!(
        "update list set name = $2, is_public = $3, product_ids = $4, version = version + 1
          where list_id = $1 returning ",
        columns!()
    ))
    .bind(list)
    .bind(&wanted.name)
    .bind(wanted.is_public)
    .bind(&wanted.product_ids)
    .fetch_one(&mut **tx)
    .await?;
    Ok(Changed::Done(list))
}

/// Deletes a list.
pub async fn delete(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    list: ListId,
    if_match: &IfMatch,
) -> Result<Changed<ListEvent>, sqlx::Error> {
    match locked(tx, buyer, list, if_match).await? {
        Changed::Done(_) => {
            sqlx::query("delete from list where list_id = $1").bind(list).execute(&mut **tx).await?;
            Ok(Changed::Done(ListEvent::Deleted(list)))
        }
        Changed::NoSuchList => Ok(Changed::NoSuchList),
        Changed::Stale(version) => Ok(Changed::Stale(version)),
    }
}

/// Deletes all lists of a buyer, and says so of each.
pub async fn erase(tx: &mut PgConnection, buyer: &BuyerId) -> Result<Vec<ListEvent>, sqlx::Error> {
    let query = sqlx::query_scalar("delete from list where buyer_id = $1 returning list_id");
    let gone: Vec<ListId> = query.bind(buyer).fetch_all(tx).await?;
    Ok(gone.into_iter().map(ListEvent::Deleted).collect())
}

/// Lets one transaction at a time make lists of this buyer: two must not make the fifty-first together.
async fn lock_lists_of(tx: &mut PgConnection, buyer: &BuyerId) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('list of ' || $1, 0))")
        .bind(buyer)
        .execute(tx)
        .await?;
    Ok(())
}

/// The list, its row held until the transaction ends, if it is the one that the caller means.
async fn locked(
    tx: &mut Transaction<'_, Postgres>,
    buyer: &BuyerId,
    list: ListId,
    if_match: &IfMatch,
) -> Result<Changed<List>, sqlx::Error> {
    let query = concat!("select ", columns!(), " from list where buyer_id = $1 and list_id = $2 for update");
    let found: Option<List> = sqlx::query_as(query).bind(buyer).bind(list).fetch_optional(&mut **tx).await?;
    Ok(match found {
        None => Changed::NoSuchList,
        Some(found) if !if_match.allows(found.version) => Changed::Stale(found.version),
        Some(found) => Changed::Done(found),
    })
}
