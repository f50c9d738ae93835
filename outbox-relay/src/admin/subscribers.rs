//! Subscribers, as their inboxes show them.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    settings::ConsumerSettings,
    store::{
        StoreError,
        inbox::{self, Receipt, ReceivedEvent},
        within,
    },
};

/// Connections to one inbox: each request asks one thing after the other, and few ask at once.
const CONNECTIONS: u32 = 2;

const DOING: &str = "ask an inbox";

/// A subscriber whose inbox can be read.
pub(crate) struct Subscriber {
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

/// The subscribers of the settings. Connects to nothing yet.
pub(crate) fn subscribers(settings: &BTreeMap<String, ConsumerSettings>) -> anyhow::Result<Vec<Subscriber>> {
    let subscriber = |(name, settings): (&String, &ConsumerSettings)| {
        let url = settings.url.expose_secret();
        let options = service_kit::database::connect_options(&format!("consumers.{name}.url"), url)?
            .application_name("outbox-relay");
        let pool = service_kit::database::connect_with(options, CONNECTIONS);
        Ok(Subscriber { name: name.clone(), events: settings.events.clone(), pool })
    };
    settings.iter().map(subscriber).collect()
}

/// One subscriber of the settings.
pub(crate) fn subscriber(
    settings: &BTreeMap<String, ConsumerSettings>,
    name: &str,
) -> anyhow::Result<Subscriber> {
    let known = subscribers(settings)?.into_iter().find(|subscriber| subscriber.name == name);
    known.with_context(|| {
        format!("no subscriber {name}: set APP__CONSUMERS__{}__URL to its database", name.to_uppercase())
    })
}

/// Asks each subscriber for its entry of an event, except those configured for other types only.
pub(crate) async fn deliveries(subscribers: &[Subscriber], id: Uuid, event_type: &str) -> Vec<Delivery> {
    let is_wanted = |events: &Vec<String>| events.iter().any(|wanted| wanted == event_type);
    let asked = subscribers.iter().filter(|subscriber| subscriber.events.as_ref().is_none_or(is_wanted));
    let ask = asked.map(|subscriber| async move {
        let received = within(DOING, inbox::find(&subscriber.pool, &subscriber.name, id)).await;
        let problem = received.as_ref().err().map(ToString::to_string);
        Delivery { consumer: subscriber.name.clone(), received: received.ok().flatten(), problem }
    });
    futures_util::future::join_all(ask).await
}

impl Subscriber {
    /// Which of these events it has received.
    pub(crate) async fn received(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        within(DOING, inbox::received(&self.pool, &self.name, ids)).await
    }

    /// The next events of a source that it received at `from` or later, by id.
    pub(crate) async fn received_after(
        &self,
        source: &str,
        from: DateTime<Utc>,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<ReceivedEvent>, StoreError> {
        within(DOING, inbox::received_after(&self.pool, &self.name, source, from, after, limit)).await
    }

    /// Whether it receives events of this type: as configured, or else as it ever did.
    pub(crate) async fn receives(&self, event_type: &str) -> Result<bool, StoreError> {
        match &self.events {
            Some(events) => Ok(events.iter().any(|known| known == event_type)),
            None => self.ever_received(event_type).await,
        }
    }

    /// Whether it ever received an event of this type.
    pub(crate) async fn ever_received(&self, event_type: &str) -> Result<bool, StoreError> {
        within(DOING, inbox::ever_received(&self.pool, &self.name, event_type)).await
    }
}
