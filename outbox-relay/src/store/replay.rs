//! Published events, in the order of the log and page by page.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgExecutor, PgPool};

use super::pending::PendingEvent;

/// How far positions and times may disagree: an event takes each at another moment, and a server's clock can be
/// set back.
pub(crate) const DISORDER: TimeDelta = TimeDelta::minutes(5);

/// A search for a position ends when it is known to within this many.
const PRECISION: i64 = 1_000;

/// Which of the published events to read.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Those written at this time or later.
    pub(crate) from: DateTime<Utc>,
    /// Those written before this time.
    pub(crate) to: DateTime<Utc>,
    /// Only those of this type.
    pub(crate) event_type: Option<String>,
    /// Only those of this key.
    pub(crate) key: Option<String>,
}

/// A part of the log: the positions above `after`, up to and including `up_to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) after: i64,
    pub(crate) up_to: i64,
}

/// Finds a position below all events written at `at` or later.
///
/// Time has no index. It rises with the position, so a binary search of some twenty queries finds the place.
pub(crate) async fn position_before(pool: &PgPool, at: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    let newest = "select coalesce(max(position), 0) from integration_event_log where state = 'Published'";
    let (mut low, mut high): (i64, i64) = (0, sqlx::query_scalar(newest).fetch_one(pool).await?);
    while high - low > PRECISION {
        let middle = low + (high - low) / 2;
        let next: Option<(i64, DateTime<Utc>)> = sqlx::query_as(
            "select position, created_at from integration_event_log
              where state = 'Published' and position > $1
                and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
              order by position limit 1",
        )
        .bind(middle)
        .fetch_optional(pool)
        .await?;
        match next {
            Some((position, written)) if written < at - DISORDER => low = position,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Finds the next page of `limit` published events above a position; `None` after the last one that can have
/// been written before `to`.
pub(crate) async fn next_page(
    db: impl PgExecutor<'_>,
    after: i64,
    to: DateTime<Utc>,
    limit: i64,
) -> Result<Option<Page>, sqlx::Error> {
    // A row without a time that a calendar has ends no search.
    let (first, up_to): (Option<DateTime<Utc>>, Option<i64>) = sqlx::query_as(
        "select min(case when created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
                         then created_at else '0001-01-01 00:00:00+00' end), max(position) from (
            select position, created_at from integration_event_log
             where state = 'Published' and position > $1 order by position limit $2) as page",
    )
    .bind(after)
    .bind(limit)
    .fetch_one(db)
    .await?;
    Ok(first.filter(|first| *first < to + DISORDER).and(up_to).map(|up_to| Page { after, up_to }))
}

/// Reads the events of a page that are in the span, in order, each with the generation that it was published in.
pub(crate) async fn read(
    db: impl PgExecutor<'_>,
    page: Page,
    span: &Span,
) -> Result<Vec<PendingEvent>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select position, event_id, event_type, key, key_version, partition, payload::text as payload,
                headers::text as headers,
                coalesce((select max(generation) from outbox_generation where since <= published_at), 1) as generation, ",
        readable!("created_at"),
        " from integration_event_log
          where state = 'Published' and position > $1 and position <= $2
            and created_at >= $3 and created_at < $4
            and ($5::text is null or event_type = $5) and ($6::text is null or key = $6)
          order by position"
    ))
    .bind(page.after)
    .bind(page.up_to)
    .bind(span.from)
    .bind(span.to)
    .bind(&span.event_type)
    .bind(&span.key)
    .fetch_all(db)
    .await
}

/// Counts the events of a page that are in the span.
pub(crate) async fn count(db: impl PgExecutor<'_>, page: Page, span: &Span) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) from integration_event_log
          where state = 'Published' and position > $1 and position <= $2
            and created_at >= $3 and created_at < $4
            and ($5::text is null or event_type = $5) and ($6::text is null or key = $6)",
    )
    .bind(page.after)
    .bind(page.up_to)
    .bind(span.from)
    .bind(span.to)
    .bind(&span.event_type)
    .bind(&span.key)
    .fetch_one(db)
    .await
}
