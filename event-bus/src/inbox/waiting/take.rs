//! The event that is tried next.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Original, Waiting};
use crate::{TraceContext, envelope::IncomingEvent};

/// Takes the event that is due first, and locks it; no other process takes it until the transaction ends.
pub(crate) async fn take(tx: &mut PgConnection, consumer: &str) -> Result<Option<Waiting>, sqlx::Error> {
    loop {
        let row: Option<Row> = sqlx::query_as(
            "select event_id, position, source, event_type, key, generation, key_version,
                    least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59+00') as occurred_at,
                    traceparent, tracestate, data::text as data, redelivered, holds_key, failures, properties, body,
                    holds_key and exists (
                        select from inbox_waiting as earlier
                         where earlier.consumer = $1 and earlier.source = waiting.source
                           and earlier.key = waiting.key and earlier.holds_key
                           and earlier.position < waiting.position) as is_behind
               from inbox_waiting as waiting
              where consumer = $1 and next_attempt_at <= statement_timestamp()
              order by next_attempt_at limit 1 for update skip locked",
        )
        .bind(consumer)
        .fetch_optional(&mut *tx)
        .await?;
        match row {
            Some(row) if row.is_behind => {
                sqlx::query(
                    "update inbox_waiting set next_attempt_at = null where consumer = $1 and event_id = $2",
                )
                .bind(consumer)
                .bind(row.event_id)
                .execute(&mut *tx)
                .await?;
            }
            row => return row.map(Row::waiting).transpose(),
        }
    }
}

/// Locks an event that waits; `false` if it waits no more.
pub(crate) async fn lock(tx: &mut PgConnection, consumer: &str, event_id: Uuid) -> Result<bool, sqlx::Error> {
    let row = "select event_id from inbox_waiting where consumer = $1 and event_id = $2 for update";
    let row = sqlx::query(row).bind(consumer).bind(event_id).fetch_optional(tx).await?;
    Ok(row.is_some())
}

#[derive(sqlx::FromRow)]
struct Row {
    event_id: Uuid,
    position: i64,
    source: String,
    event_type: String,
    key: String,
    generation: i64,
    key_version: i64,
    occurred_at: DateTime<Utc>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    data: String,
    redelivered: bool,
    holds_key: bool,
    failures: i32,
    properties: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    is_behind: bool,
}

impl Row {
    fn waiting(self) -> Result<Waiting, sqlx::Error> {
        let data = serde_json::value::RawValue::from_string(self.data);
        let trace =
            self.traceparent.and_then(|parent| TraceContext::parse(&parent, self.tracestate.as_deref()));
        let original = self.properties.zip(self.body);
        Ok(Waiting {
            original: original.map(|(properties, body)| Original { properties, body }),
            event: IncomingEvent {
                id: self.event_id,
                source: self.source,
                event_type: self.event_type,
                key: self.key,
                generation: self.generation,
                version: self.key_version,
                occurred_at: self.occurred_at,
                trace: trace.unwrap_or_default(),
                data: data.map_err(|error| sqlx::Error::Decode(error.into()))?,
            },
            redelivered: self.redelivered,
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            holds_key: self.holds_key,
            position: self.position,
        })
    }
}
