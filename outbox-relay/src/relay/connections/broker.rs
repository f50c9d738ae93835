//! The connection to the broker, and the events in flight over it.

use std::sync::Arc;

use event_bus::{
    BrokerConfig, crash_point,
    rabbitmq::{BrokerError, PublishError, Publisher},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use relay_engine::Outcome;
use uuid::Uuid;

use crate::{source::Source, store::pending::PendingEvent};

type Confirmation = BoxFuture<'static, (Uuid, Result<(), PublishError>)>;

/// What happened at the broker.
pub(crate) enum BrokerEvent {
    Connected(Result<(), BrokerError>),
    Confirmed(Uuid),
    Refused(Uuid, PublishError),
    /// The event can never be sent as it is.
    Failed(Uuid, String),
}

pub(crate) struct BrokerConnection {
    settings: BrokerConfig,
    name: String,
    publisher: Option<Arc<Publisher>>,
    connecting: Option<BoxFuture<'static, Result<Publisher, BrokerError>>>,
    confirmations: FuturesUnordered<Confirmation>,
}

impl BrokerConnection {
    pub(crate) fn new(settings: &BrokerConfig, name: &str) -> Self {
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

    /// Sends an event; `false` without a connection. The outcome comes with [`next`](Self::next): even handing
    /// the event to the connection waits while the broker reads nothing.
    pub(crate) fn send(&mut self, source: &Arc<Source>, event: &Arc<PendingEvent>) -> bool {
        let Some(publisher) = self.publisher.clone() else { return false };
        let (source, event) = (Arc::clone(source), Arc::clone(event));
        self.confirmations.push(Box::pin(async move {
            let confirmed = async {
                let confirm = publisher.send(&source.outgoing(&event)).await?;
                crash_point!("relay.after_publish");
                confirm.outcome().await
            };
            (event.event_id, confirmed.await)
        }));
        true
    }

    /// The outcome that an error stands for. A connection that can no longer be used is dropped.
    pub(crate) fn refused(&mut self, error: &PublishError) -> Outcome {
        // An unroutable event means a broken topology, and a new connection declares it again. A blocked
        // connection is kept: another one would be blocked as well, and the events in its buffers cannot be
        // taken back.
        if matches!(error, PublishError::Rejected(_)) || self.is_blocked() {
            return Outcome::Nacked;
        }
        self.publisher = None;
        Outcome::Unknown
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.is_blocked())
    }

    /// Whether there was a connection and it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.publisher.take_if(|publisher| !publisher.is_open()).is_some()
    }

    /// The next thing that happens; never returns when nothing is expected. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> BrokerEvent {
        tokio::select! {
            biased;
            Some((id, outcome)) = self.confirmations.next(), if !self.confirmations.is_empty() => match outcome {
                Ok(()) => BrokerEvent::Confirmed(id),
                Err(PublishError::Unwritable(error)) => BrokerEvent::Failed(id, format!("{:#}", anyhow::Error::new(error))),
                Err(error) => BrokerEvent::Refused(id, error),
            },
            connected = connected(&mut self.connecting) => {
                self.connecting = None;
                BrokerEvent::Connected(connected.map(|publisher| self.publisher = Some(Arc::new(publisher))))
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
