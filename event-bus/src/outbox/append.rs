//! The producer's side.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::PAYLOAD_LIMIT;
use crate::{
    Event, TraceContext, envelope,
    span::{KeyValue, Span, SpanKind},
};

/// Why an event was not appended. The caller must roll the transaction back: a change without its event
/// must not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The payload is over [`PAYLOAD_LIMIT`].
    #[error("the payload of {event_type} is {size} bytes, the limit is {PAYLOAD_LIMIT}")]
    TooLarge {
        /// The event's type.
        event_type: &'static str,
        /// The size of its payload, in bytes.
        size: usize,
    },
    /// The event's type or key is empty, or over 255 bytes, or has a NUL in it.
    #[error("the {what} of an event must have 1 to 255 bytes and no NUL, got {size} bytes")]
    NotRoutable {
        /// `type` or `key`.
        what: &'static str,
        /// Its length, in bytes.
        size: usize,
    },
    /// A text of the payload has a NUL in it: no consumer could store it.
    #[error("a text in the payload of {event_type} has a NUL character in it")]
    Nul {
        /// The event's type.
        event_type: &'static str,
    },
    /// The event does not serialise to JSON.
    #[error("the payload of {event_type} is not JSON")]
    NotJson {
        /// The event's type.
        event_type: &'static str,
        /// What the serialiser said.
        source: serde_json::Error,
    },
    /// The database refused the row.
    #[error("the outbox row could not be written")]
    Database(#[from] sqlx::Error),
}

/// Appends `event` to the outbox in the caller's transaction; returns the event's id.
///
/// The event is published if the transaction commits, and does not exist if it rolls back. Call it
/// after the row that the event's key stands for was locked in the same transaction: the lock makes the
/// order of the log, within a key, the order of the commits.
pub async fn append<E: Event>(tx: &mut Transaction<'_, Postgres>, event: &E) -> Result<Uuid, AppendError> {
    append_traced(tx, event, &TraceContext::default()).await
}

/// Appends `event` like [`append`], with the trace context of the request that caused it.
pub async fn append_traced<E: Event>(
    tx: &mut Transaction<'_, Postgres>,
    event: &E,
    trace: &TraceContext,
) -> Result<Uuid, AppendError> {
    let event_id = Uuid::now_v7();
    let span = append_span::<E>("integration_event_log", event_id, trace);
    let Prepared { key, payload, headers } = Prepared::of(event, span.context().as_ref().unwrap_or(trace))?;
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, payload, headers)
         values ($1, $2, $3, $4, $5::json, $6::json)",
    )
    .bind(event_id)
    .bind(E::TYPE)
    .bind(&key)
    .bind(event.version())
    .bind(payload)
    .bind(headers)
    .execute(&mut **tx)
    .await?;
    Ok(event_id)
}

/// The span of an event's row. Its context is stored in the row, so the publication is its child.
pub(super) fn append_span<E: Event>(table: &'static str, id: Uuid, cause: &TraceContext) -> Span {
    Span::within(cause, SpanKind::Producer, || {
        let attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.type", "create"),
            KeyValue::new("messaging.operation.name", "append"),
            KeyValue::new("messaging.message.id", id.to_string()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", E::TYPE),
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", "INSERT"),
            KeyValue::new("db.collection.name", table),
        ];
        (format!("append {}", E::TYPE), attributes)
    })
}

/// The texts of an event's row.
pub(super) struct Prepared {
    pub(super) key: String,
    pub(super) payload: String,
    pub(super) headers: String,
}

impl Prepared {
    /// Serialises an event. One that could never be published is refused.
    pub(super) fn of<E: Event>(event: &E, trace: &TraceContext) -> Result<Self, AppendError> {
        let key = event.key();
        for (what, text) in [("type", E::TYPE), ("key", &key)] {
            if !envelope::is_short_string(text) {
                return Err(AppendError::NotRoutable { what, size: text.len() });
            }
        }
        let not_json = |source| AppendError::NotJson { event_type: E::TYPE, source };
        let payload = serde_json::to_string(event).map_err(not_json)?;
        if payload.len() > PAYLOAD_LIMIT {
            return Err(AppendError::TooLarge { event_type: E::TYPE, size: payload.len() });
        }
        if envelope::has_nul(&payload) {
            return Err(AppendError::Nul { event_type: E::TYPE });
        }
        Ok(Self { key, payload, headers: serde_json::to_string(trace).map_err(not_json)? })
    }
}
