//! When a suite is at rest.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use uuid::Uuid;

use harness::{Environment, until};

/// Waits until nothing is pending and everything has arrived; what is left, in words, if that takes too long.
pub(crate) async fn at_rest(
    environment: &Environment,
    from: i64,
    unrouted: &HashSet<Uuid>,
    limit: Duration,
) -> Result<Option<String>> {
    settled("all", limit, async || {
        let pending = pending(environment).await?;
        let mut ids = ids(environment, from).await?;
        ids.retain(|id| !unrouted.contains(id));
        let missing = missing(environment, &ids).await?;
        Ok((pending > 0 || missing > 0).then(|| format!("{pending} pending and {missing} missing")))
    })
    .await
}

/// Waits until nothing is `unsettled`; what of `all` is left, in words, if that takes too long. A database that does not
/// answer is asked again.
pub(crate) async fn settled(
    all: &str,
    limit: Duration,
    unsettled: impl AsyncFn() -> Result<Option<String>>,
) -> Result<Option<String>> {
    let mut left = "the databases do not answer".to_owned();
    let is_at_rest = async || {
        let Ok(unsettled) = unsettled().await else { return Ok(None) };
        let Some(unsettled) = unsettled else { return Ok(Some(())) };
        left = format!("live: {unsettled} when {all} should be at rest");
        Ok(None)
    };
    let rested = until(limit, Duration::from_millis(100), is_at_rest).await?;
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
