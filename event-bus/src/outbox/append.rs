//! The producer's side.

use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{PAYLOAD_LIMIT, partition_of};
use crate::{Event, TraceContext, envelope};

/// An AMQP short string, such as a routing key, holds at most 255 bytes.
const SHORT_STRING_LIMIT: usize = 255;

/// Why an event was not appended. The caller's transaction should be rolled back: a change that
/// cannot be announced must not happen.
#[derive(Debug, thiserror::Error)]
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

/// An event that is ready to be announced: checked, in its wire form, and with its id.
#[derive(Debug, Clone)]
pub struct Announcement {
    event_id: Uuid,
    event_type: &'static str,
    key: String,
    key_version: i64,
    partition: i16,
    payload: String,
    headers: String,
}

impl Announcement {
    /// Makes `event` ready. `trace` is the context of the request that caused the change.
    pub fn of<E: Event>(event: &E, trace: &TraceContext) -> Result<Self, AppendError> {
        let key = event.key();
        check_short_string("type", E::TYPE)?;
        check_short_string("key", &key)?;
        let not_json = |source| AppendError::NotJson { event_type: E::TYPE, source };
        let payload = serde_json::to_string(event).map_err(not_json)?;
        if payload.len() > PAYLOAD_LIMIT {
            return Err(AppendError::TooLarge { event_type: E::TYPE, size: payload.len() });
        }
        if envelope::has_nul(&payload) {
            return Err(AppendError::Nul { event_type: E::TYPE });
        }
        Ok(Self {
            event_id: Uuid::now_v7(),
            event_type: E::TYPE,
            key_version: event.version(),
            partition: partition_of(&key),
            key,
            payload,
            headers: serde_json::to_string(trace).map_err(not_json)?,
        })
    }

    /// The event's id.
    pub fn event_id(&self) -> Uuid {
        self.event_id
    }
}

/// Promises to announce `event`, if the caller's transaction commits; returns the event's id.
///
/// To be called after the row of the event's key was locked in the same transaction: the lock is what
/// makes the log's order, within a key, the order of the commits. `trace` is the context of the
/// request that caused the change.
pub async fn append<E: Event>(
    tx: &mut PgConnection,
    event: &E,
    trace: &TraceContext,
) -> Result<Uuid, AppendError> {
    let announcement = Announcement::of(event, trace)?;
    let mut query = QueryBuilder::new("");
    push_insert(&mut query, "", std::slice::from_ref(&announcement));
    query.build().execute(tx).await?;
    Ok(announcement.event_id)
}

/// A change of the row that events are about, and their announcement, as one statement: one round trip
/// to the database, and a transaction of its own where the caller has none.
///
/// The change comes first and leaves its row locked; the log's order, within a key, is therefore the
/// order of the commits, as with [`append`].
#[must_use = "nothing happens before it is executed"]
pub struct Change(QueryBuilder<Postgres>);

impl Change {
    /// Takes an `insert`, `update` or `delete` of the row, without `returning`, as `push` writes it;
    /// and what is to be announced if it finds the row, in order: some 8,000 at most, as a statement has 65,535 parameters.
    pub fn new(announcements: &[Announcement], push: impl FnOnce(&mut QueryBuilder<Postgres>)) -> Self {
        if announcements.is_empty() {
            let mut query = QueryBuilder::new("");
            push(&mut query);
            return Self(query);
        }
        let mut query = QueryBuilder::new("with change as (");
        push(&mut query);
        query.push(" returning 1) ");
        push_insert(&mut query, "change cross join ", announcements);
        Self(query)
    }

    /// Does it. `false`: there was no such row, and nothing was announced.
    pub async fn execute(mut self, db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        Ok(self.0.build().execute(db).await?.rows_affected() > 0)
    }
}

/// A row for each announcement, in order, and for each row of what `beside` joins them with.
///
/// Of a list with one row, as nearly all are, PostgreSQL makes no list at all.
fn push_insert(query: &mut QueryBuilder<Postgres>, beside: &str, announcements: &[Announcement]) {
    query.push(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload, headers)
         select event_id, event_type, key, key_version, partition, payload::json, headers::json from ",
    );
    query.push(beside).push("(");
    query.push_values(announcements.iter().zip(0_i32..), |mut row, (event, place)| {
        row.push_bind(place).push_bind(event.event_id).push_bind(event.event_type).push_bind(&event.key);
        row.push_bind(event.key_version).push_bind(event.partition);
        row.push_bind(&event.payload).push_bind(&event.headers);
    });
    query.push(
        ") as event (place, event_id, event_type, key, key_version, partition, payload, headers) order by place",
    );
}

fn check_short_string(what: &'static str, text: &str) -> Result<(), AppendError> {
    if text.is_empty() || text.len() > SHORT_STRING_LIMIT || text.contains('\0') {
        return Err(AppendError::NotRoutable { what, size: text.len() });
    }
    Ok(())
}
