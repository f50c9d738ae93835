//! The statuses of all services and relays at one moment.

use chrono::{DateTime, Utc};

use crate::clients::{self, ClientError};
use crate::ops::answers::{DatabaseRelays, Event, InboxStatus, OutboxStatus, RelayStatus};
use crate::ops::api::{OpsApi, ask_all, inbox_status, read};
use crate::session::User;

/// Events that the dashboard shows.
const NEWEST: usize = 8;

/// The answers of one kind, each with the name of the service or relay that gave it.
pub(super) type Answers<T> = Vec<(String, clients::Result<T>)>;

/// The statuses of all services and relays at one moment.
pub(super) struct Snapshot {
    pub(super) at: DateTime<Utc>,
    pub(super) outboxes: Answers<OutboxStatus>,
    pub(super) inboxes: Answers<InboxStatus>,
    pub(super) relays: Answers<Vec<RelayStatus>>,
    /// The relay registries of all databases, from a relay that answers; so are the newest events.
    pub(super) registries: clients::Result<Vec<DatabaseRelays>>,
    pub(super) newest: clients::Result<Vec<Event>>,
}

impl Snapshot {
    /// Asks all services and relays at the same time.
    pub(super) async fn take(api: &OpsApi, user: &User) -> Self {
        let (outboxes, inboxes, (relays, registries, newest)) = tokio::join!(
            ask_all(&api.publishers, |client| read(client, user, &["outbox", "status"], &[])),
            ask_all(&api.subscribers, |client| inbox_status(client, user)),
            ask_relays(api, user),
        );
        Self { at: Utc::now(), outboxes, inboxes, relays, registries, newest }
    }

    /// The number of relays that are alive; `None` where it is unknown.
    pub(super) fn alive(&self) -> Option<i64> {
        if let Ok(registries) = &self.registries {
            let alive =
                |registry: &DatabaseRelays| registry.relays.iter().filter(|relay| relay.alive).count();
            return i64::try_from(registries.iter().map(alive).max()?).ok();
        }
        self.outboxes.iter().filter_map(|(_, outbox)| Some(outbox.as_ref().ok()?.log.relays)).max()
    }

    /// Whether no relay publishes.
    pub(super) fn is_without_relay(&self) -> bool {
        self.alive() == Some(0) || self.relays.iter().all(|(_, relay)| relay.is_err())
    }
}

type Relays = (Answers<Vec<RelayStatus>>, clients::Result<Vec<DatabaseRelays>>, clients::Result<Vec<Event>>);

async fn ask_relays(api: &OpsApi, user: &User) -> Relays {
    let statuses: Answers<Vec<RelayStatus>> =
        ask_all(&api.relays, |client| read(client, user, &["outbox", "status"], &[])).await;
    let available = api.relays.iter().zip(&statuses).find(|(_, (_, status))| status.is_ok());
    let Some((client, _)) = available else {
        let error =
            ClientError::Unavailable { service: "relay".to_owned(), cause: "no relay answers".to_owned() };
        return (statuses, Err(error.clone()), Err(error));
    };
    let limit = [("limit", NEWEST.to_string())];
    let (registries, newest) = tokio::join!(
        read(client, user, &["outbox", "relays"], &[]),
        read(client, user, &["outbox", "events"], &limit),
    );
    (statuses, registries, newest)
}
