//! The connection to the broker, and what is on its way over it.

use std::sync::Arc;

use event_bus::{
    BrokerSettings,
    broker::{BrokerError, Message, PublishError, Publisher},
    crash_point, envelope,
    outbox::log::PendingEvent,
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use relay_engine::Refusal;
use uuid::Uuid;

use crate::relay::Source;

type Confirmation = BoxFuture<'static, (Uuid, Result<(), PublishError>)>;

/// What happened at the broker.
pub(crate) enum Happened {
    Connected(Result<(), BrokerError>),
    Confirmed(Uuid),
    Refused(Uuid, PublishError),
}

/// Why an event is not on its way.
pub(crate) enum NotSent {
    /// It is not an event that can be sent, ever.
    Impossible(String),
    /// There is no connection.
    NotConnected,
}

pub(crate) struct BrokerLane {
    settings: BrokerSettings,
    name: String,
    publisher: Option<Arc<Publisher>>,
    connecting: Option<BoxFuture<'static, Result<Publisher, BrokerError>>>,
    confirmations: FuturesUnordered<Confirmation>,
}

impl BrokerLane {
    pub(crate) fn new(settings: &BrokerSettings, name: &str) -> Self {
        Self {
            settings: settings.clone(),
            name: name.to_owned(),
            publisher: None,
            connecting: None,
            confirmations: FuturesUnordered::new(),
        }
    }

    pub(crate) fn connect(&mut self) {
        crash_point!("relay.while_reconnecting");
        self.publisher = None;
        let (settings, name) = (self.settings.clone(), self.name.clone());
        self.connecting = Some(Box::pin(async move { Publisher::connect(&settings, &name).await }));
    }

    /// Sends an event. Whether it was taken comes with what [happens](Self::happened): even handing it to
    /// the connection waits, while the broker reads nothing.
    pub(crate) fn send(&mut self, source: &Arc<Source>, event: &Arc<PendingEvent>) -> Result<(), NotSent> {
        let publisher = self.publisher.clone().ok_or(NotSent::NotConnected)?;
        let body = envelope::write(&source.uri, event);
        let body = body.map_err(|reason| NotSent::Impossible(reason.to_string()))?;
        let (source, event) = (Arc::clone(source), Arc::clone(event));
        self.confirmations.push(Box::pin(async move {
            let confirmed = async {
                let confirm = publisher.send(outline(&source, &event, &body)).await?;
                crash_point!("relay.after_publish");
                confirm.outcome().await
            };
            (event.event_id, confirmed.await)
        }));
        Ok(())
    }

    /// What a refusal means for the connection. Where nothing can be sent over it any more, it is dropped.
    pub(crate) fn refused(&mut self, trouble: &PublishError) -> Refusal {
        // No queue for an event: the topology is broken, and a new connection declares it. A blocked
        // connection is kept: another one would be blocked as well, and what waits in this one's buffers
        // cannot be taken back.
        if matches!(trouble, PublishError::Rejected(_)) || self.is_blocked() {
            return Refusal::Refused;
        }
        self.publisher = None;
        Refusal::Disconnected
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.is_blocked())
    }

    /// Whether there was a connection and it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.publisher.take_if(|publisher| !publisher.is_open()).is_some()
    }

    /// The next thing that happens; waits for ever when nothing is to be expected. Can be dropped and
    /// called again.
    pub(crate) async fn happened(&mut self) -> Happened {
        tokio::select! {
            biased;
            Some((id, outcome)) = self.confirmations.next(), if !self.confirmations.is_empty() => {
                outcome.map_or_else(|trouble| Happened::Refused(id, trouble), |()| Happened::Confirmed(id))
            }
            connected = connected(&mut self.connecting) => {
                self.connecting = None;
                Happened::Connected(connected.map(|publisher| self.publisher = Some(Arc::new(publisher))))
            }
        }
    }

    pub(crate) async fn close(self) {
        drop(self.confirmations);
        if let Some(publisher) = self.publisher.and_then(Arc::into_inner) {
            publisher.close().await;
        }
    }
}

async fn connected(
    connecting: &mut Option<BoxFuture<'static, Result<Publisher, BrokerError>>>,
) -> Result<Publisher, BrokerError> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

/// The message that announces an event, with this body.
pub(crate) fn outline<'a>(source: &'a Source, event: &'a PendingEvent, body: &'a [u8]) -> Message<'a> {
    Message {
        event_id: event.event_id,
        event_type: &event.event_type,
        service: &source.name,
        timestamp: u64::try_from(event.created_at.timestamp()).unwrap_or_default(),
        trace: &event.headers,
        body,
    }
}
