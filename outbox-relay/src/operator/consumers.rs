//! Subscribers, as their inboxes tell.

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::{PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    relay::{Trouble, within},
    settings::ConsumerSettings,
};

/// Connections to one inbox: each question asks one thing after the other, and few ask at once.
const CONNECTIONS: u32 = 2;

/// A subscriber whose inbox can be read.
pub(crate) struct Consumer {
    /// Its name in the inbox, and the beginning of its queues' names.
    pub(crate) name: String,
    /// The types that it must have, where that is configured.
    pub(crate) events: Option<Vec<String>>,
    pool: PgPool,
}

/// What became of an event at one subscriber.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    /// The subscriber's name.
    pub(crate) consumer: String,
    /// The entry in its inbox; absent where it has none.
    pub(crate) received: Option<Receipt>,
    /// Why the inbox could not be asked.
    pub(crate) problem: Option<String>,
}

/// An entry of an inbox.
#[derive(Debug, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// When it was entered.
    pub(crate) received_at: DateTime<Utc>,
    /// The broker's flag at the delivery that was entered.
    pub(crate) redelivered: bool,
    /// False where the event was older than what the subscriber knew, and had no effect.
    pub(crate) applied: bool,
}

/// The subscribers of the settings. Connects to nothing yet.
pub(crate) fn consumers(settings: &BTreeMap<String, ConsumerSettings>) -> anyhow::Result<Vec<Consumer>> {
    let consumer = |(name, settings): (&String, &ConsumerSettings)| {
        let options = PgConnectOptions::from_str(settings.url.expose_secret())
            .with_context(|| format!("setting consumers.{name}.url: not a postgres:// URL"))?
            .application_name("outbox-relay");
        let pool = service_kit::database::connect_with(options, CONNECTIONS);
        Ok(Consumer { name: name.clone(), events: settings.events.clone(), pool })
    };
    settings.iter().map(consumer).collect()
}

/// Asks the subscribers what they know of an event; not those that are configured for other types only.
pub(crate) async fn deliveries(consumers: &[Consumer], id: Uuid, event_type: &str) -> Vec<Delivery> {
    let is_wanted = |events: &Vec<String>| events.iter().any(|wanted| wanted == event_type);
    let asked = consumers.iter().filter(|consumer| consumer.events.as_ref().is_none_or(is_wanted));
    let ask = asked.map(|consumer| async move {
        let received = consumer.receipt(id).await;
        let problem = received.as_ref().err().map(ToString::to_string);
        Delivery { consumer: consumer.name.clone(), received: received.ok().flatten(), problem }
    });
    futures_util::future::join_all(ask).await
}

impl Consumer {
    /// Which of these events it has.
    pub(crate) async fn has(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, Trouble> {
        let ask = sqlx::query_scalar("select event_id from inbox where consumer = $1 and event_id = any($2)")
            .bind(&self.name)
            .bind(ids)
            .fetch_all(&self.pool);
        Ok(within("ask an inbox", ask).await?.into_iter().collect())
    }

    /// Whether it ever had an event of this type: the version guard outlives the inbox's rows.
    pub(crate) async fn ever_had(&self, event_type: &str) -> Result<bool, Trouble> {
        let ask = sqlx::query_scalar(
            "select exists (select from inbox_version where consumer = $1 and event_type = $2)",
        )
        .bind(&self.name)
        .bind(event_type)
        .fetch_one(&self.pool);
        within("ask an inbox", ask).await
    }

    async fn receipt(&self, id: Uuid) -> Result<Option<Receipt>, Trouble> {
        let ask = sqlx::query_as(
            "select received_at, redelivered, applied from inbox where consumer = $1 and event_id = $2",
        )
        .bind(&self.name)
        .bind(id)
        .fetch_optional(&self.pool);
        within("ask an inbox", ask).await
    }
}
