//! When a suite is at rest.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use uuid::Uuid;

use crate::check::{OrderMark, UserMark};
use harness::{Environment, until};

/// Waits until nothing is pending and everything has arrived; what is left, in words, if that takes too long.
pub(crate) async fn at_rest(
    environment: &Environment,
    from: i64,
    unrouted: &HashSet<Uuid>,
    limit: Duration,
) -> Result<Option<String>> {
    let mut left = "the databases do not answer".to_owned();
    let is_at_rest = async || {
        let read = async {
            let pending = pending(environment).await?;
            let mut ids = ids(environment, from).await?;
            ids.retain(|id| !unrouted.contains(id));
            anyhow::Ok((pending, missing(environment, &ids).await?))
        };
        let Ok((pending, missing)) = read.await else { return Ok(None) };
        left = format!("live: {pending} pending and {missing} missing when all should be at rest");
        Ok((pending == 0 && missing == 0).then_some(()))
    };
    let rested = until(limit, Duration::from_millis(100), is_at_rest).await?;
    Ok(rested.is_none().then_some(left))
}

/// The same for orders: waits until each has its final status, and all events about it have arrived.
pub(crate) async fn orders_at_rest(
    environment: &Environment,
    mark: &OrderMark,
    limit: Duration,
) -> Result<Option<String>> {
    let mut left = "the databases do not answer".to_owned();
    let are_at_rest = async || {
        let Ok(unsettled) = mark.unsettled(environment).await else { return Ok(None) };
        Ok(unsettled.map_or(Some(()), |unsettled| {
            left = format!("live: {unsettled} when all orders should be at rest");
            None
        }))
    };
    let rested = until(limit, Duration::from_millis(300), are_at_rest).await?;
    Ok(rested.is_none().then_some(left))
}

/// The same for users: waits until each registration is done, its mail sent, and its event known everywhere.
pub(crate) async fn users_at_rest(
    environment: &Environment,
    mark: &UserMark,
    limit: Duration,
) -> Result<Option<String>> {
    let mut left = "the databases do not answer".to_owned();
    let are_at_rest = async || {
        let Ok(unsettled) = mark.unsettled(environment).await else { return Ok(None) };
        Ok(unsettled.map_or(Some(()), |unsettled| {
            left = format!("live: {unsettled} when all registrations should be at rest");
            None
        }))
    };
    let rested = until(limit, Duration::from_millis(300), are_at_rest).await?;
    Ok(rested.is_none().then_some(left))
}

/// How many events wait to be published.
pub(crate) async fn pending(environment: &Environment) -> Result<i64> {
    let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
    Ok(sqlx::query_scalar(pending).fetch_one(&environment.catalog).await?)
}

async fn ids(environment: &Environment, from: i64) -> Result<Vec<Uuid>> {
    let ids = "select event_id from integration_event_log where position > $1 and skipped_at is null
                and state <> 'PublishedFailed' and key not like 'chaos-%'
                and event_type not like 'shop.catalog.stock~_%' escape '~'";
    Ok(sqlx::query_scalar(ids).bind(from).fetch_all(&environment.catalog).await?)
}

async fn missing(environment: &Environment, ids: &[Uuid]) -> Result<usize> {
    let there: i64 = sqlx::query_scalar(
        "select (select count(*) from inbox where consumer = 'basket' and event_id = any($1))
                  - (select count(*) from inbox_waiting where consumer = 'basket' and event_id = any($1))",
    )
    .bind(ids)
    .fetch_one(&environment.basket)
    .await?;
    Ok(ids.len().saturating_sub(usize::try_from(there).unwrap_or(0)))
}
