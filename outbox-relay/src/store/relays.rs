//! The relay registry, for operators.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// A relay that is registered in this database.
#[derive(Debug, serde::Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relay {
    /// The relay: a new id each time that a process starts.
    #[sqlx(rename = "relay_id")]
    pub(crate) id: Uuid,
    /// Its name, for people.
    pub(crate) name: String,
    /// When it registered.
    #[sqlx(rename = "started_at")]
    pub(crate) since: DateTime<Utc>,
    /// When its lease ends unless the relay renews it.
    pub(crate) alive_until: DateTime<Utc>,
    /// Whether the lease is running and the relay's database session exists. Other relays take over the
    /// partitions of one that is not alive.
    pub(crate) alive: bool,
    /// Where it publishes.
    pub(crate) destination: String,
    /// Whether it can publish. A relay without a broker owns no partitions.
    pub(crate) has_broker: bool,
    /// What it cannot do.
    pub(crate) problems: Vec<String>,
    /// The partitions that it owns, or owned last.
    pub(crate) partitions: Vec<i16>,
}

/// Lists the relays of this database, the oldest registration first. One that ended a moment ago is listed until
/// another has taken over.
pub(crate) async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Relay>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select relay.relay_id, relay.name, relay.destination, relay.has_broker, relay.problems, ",
        readable!("started_at"),
        ", ",
        readable!("alive_until"),
        ",
                ",
        is_alive!(),
        " as alive,
                array(select partition from outbox_partition as owned
                       where owned.relay_id = relay.relay_id order by partition) as partitions
           from outbox_relay as relay
          order by relay.started_at, relay.relay_id"
    ))
    .fetch_all(db)
    .await
}
