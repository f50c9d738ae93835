//! The connection to the broker, and the events in flight over it.

use std::{sync::Arc, time::Instant};

use event_bus::{
    BrokerConfig, crash_point,
    rabbitmq::{BrokerError, PublishError},
    relay::{Fault, Publisher},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use relay_engine::{Outcome, Refusal};
use tokio::{sync::Mutex, task::JoinHandle};
use uuid::Uuid;

use crate::{relay::telemetry::Times, source::Source, store::pending::PendingEvent};

type Confirmation = BoxFuture<'static, (Uuid, Result<(), PublishError>)>;

/// What happened at the broker.
pub(crate) enum BrokerEvent {
    Connected(Result<(), BrokerError>),
    Confirmed(Uuid),
    NotConfirmed(Uuid, PublishError),
    /// The event can never be sent as it is.
    Unwritable(Uuid, String),
}

pub(crate) struct BrokerConnection {
    settings: BrokerConfig,
    name: String,
    publisher: Option<Arc<Publisher>>,
    /// The channel for events that may close it.
    probes: Arc<Mutex<Option<Arc<Publisher>>>>,
    connecting: Option<BoxFuture<'static, Result<Publisher, BrokerError>>>,
    /// Declares what is missing.
    mending: Option<JoinHandle<()>>,
    confirmations: FuturesUnordered<Confirmation>,
    times: Arc<Times>,
}

impl BrokerConnection {
    pub(crate) fn new(settings: &BrokerConfig, name: &str, database: &str) -> Self {
        Self {
            settings: settings.clone(),
            name: name.to_owned(),
            publisher: None,
            probes: Arc::default(),
            connecting: None,
            mending: None,
            confirmations: FuturesUnordered::new(),
            times: Arc::new(Times::of(database)),
        }
    }

    /// Opens a channel, on a new connection unless there is one.
    pub(crate) fn connect(&mut self) {
        crash_point!("relay.while_reconnecting");
        let connected = self.publisher.take().filter(|publisher| publisher.is_connected());
        let (settings, name) = (self.settings.clone(), self.name.clone());
        if connected.is_none() {
            self.probes = Arc::default();
        }
        self.connecting = Some(Box::pin(async move {
            match connected {
                Some(publisher) => publisher.open_channel().await,
                None => Publisher::connect(&settings, &name).await,
            }
        }));
    }

    /// Sends an event; `false` without a connection. The outcome comes with [`next`](Self::next): even handing
    /// the event to the connection waits while the broker reads nothing.
    pub(crate) fn send(&mut self, source: &Arc<Source>, event: &Arc<PendingEvent>) -> bool {
        let Some(publisher) = self.publisher.clone() else { return false };
        let (source, event, times) = (Arc::clone(source), Arc::clone(event), Arc::clone(&self.times));
        self.confirmations.push(Box::pin(async move {
            (event.event_id, publish(&publisher, &source, &event, &times).await)
        }));
        true
    }

    /// Sends an event over a channel of its own, like [`send`](Self::send).
    pub(crate) fn probe(&mut self, source: &Arc<Source>, event: &Arc<PendingEvent>) -> bool {
        let Some(publisher) = self.publisher.clone() else { return false };
        let probes = Arc::clone(&self.probes);
        let (source, event, times) = (Arc::clone(source), Arc::clone(event), Arc::clone(&self.times));
        self.confirmations.push(Box::pin(async move {
            let sent = async {
                let channel = open_channel(&probes, &publisher).await?;
                match publish(&channel, &source, &event, &times).await {
                    // A probe before it has closed the channel, which was not known yet.
                    Err(error) if error.is_unsent() => {
                        probes.lock().await.take_if(|open| Arc::ptr_eq(open, &channel));
                        let channel = open_channel(&probes, &publisher).await?;
                        publish(&channel, &source, &event, &times).await
                    }
                    outcome => outcome,
                }
            };
            (event.event_id, sent.await)
        }));
        true
    }

    /// The outcome that an error stands for. A connection that can no longer be used is dropped.
    pub(crate) fn outcome_of(&mut self, error: &PublishError) -> Outcome {
        match error {
            PublishError::Rejected(_) if event_bus::without!("nacked-alone") => return Outcome::Unanswered,
            PublishError::Rejected(_) => return Outcome::Nacked,
            // The queue for unrouted events is away.
            PublishError::Unroutable(_) => {
                self.mend();
                return Outcome::Nacked;
            }
            _ => {}
        }
        let is_connected = self.publisher.as_ref().is_none_or(|publisher| publisher.is_connected());
        let fails_alone = is_connected && !event_bus::without!("refused-alone");
        if fails_alone && let Some(refusal) = error.refusal() {
            let fault = match refusal.fault {
                Fault::Type(named) => relay_engine::Fault::Type(named),
                _ => relay_engine::Fault::Event,
            };
            return Outcome::ChannelClosed(Refusal { reason: refusal.reason, fault });
        }
        // A blocked connection is kept: another one would be blocked as well, and the events in its buffers cannot be
        // taken back.
        if self.is_blocked() {
            return Outcome::Unanswered;
        }
        self.publisher = None;
        Outcome::Unknown
    }

    /// Declares what is missing, where the user may, while others are published.
    fn mend(&mut self) {
        if let Some(publisher) = &self.publisher
            && self.mending.as_ref().is_none_or(JoinHandle::is_finished)
        {
            let (publisher, settings) = (Arc::clone(publisher), self.settings.clone());
            self.mending = Some(tokio::spawn(async move {
                if let Err(error) = publisher.mend(&settings).await {
                    tracing::warn!(
                        error = format!("{:#}", anyhow::Error::new(error)),
                        "cannot mend the topology"
                    );
                }
            }));
        }
    }

    /// The cluster of the broker; empty where that is not known.
    pub(crate) fn cluster(&self) -> String {
        let cluster = self.publisher.as_ref().and_then(|publisher| publisher.cluster());
        cluster.unwrap_or_default().to_owned()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.is_blocked())
    }

    /// Whether there was a connection and it has ended. The end of a channel shows in the events in flight on it.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.publisher.take_if(|publisher| !publisher.is_connected()).is_some()
    }

    /// The next thing that happens; never returns when nothing is expected. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> BrokerEvent {
        tokio::select! {
            biased;
            Some((id, outcome)) = self.confirmations.next(), if !self.confirmations.is_empty() => match outcome {
                Ok(()) => BrokerEvent::Confirmed(id),
                Err(PublishError::Unwritable(error)) => BrokerEvent::Unwritable(id, format!("{:#}", anyhow::Error::new(error))),
                Err(error) => BrokerEvent::NotConfirmed(id, error),
            },
            connected = connected(&mut self.connecting) => {
                self.connecting = None;
                BrokerEvent::Connected(connected.map(|publisher| self.publisher = Some(Arc::new(publisher))))
            }
        }
    }

    pub(crate) async fn close(self) {
        drop(self.confirmations);
        drop(self.probes);
        if let Some(mending) = self.mending {
            mending.abort();
        }
        if let Some(publisher) = self.publisher.and_then(Arc::into_inner) {
            publisher.close().await;
        }
    }
}

/// Publishes an event and waits for the confirmation.
async fn publish(
    publisher: &Publisher,
    source: &Source,
    event: &PendingEvent,
    times: &Times,
) -> Result<(), PublishError> {
    let sent = Instant::now();
    let confirm = publisher.send(&source.outgoing(event)).await?;
    crash_point!("relay.after_publish");
    confirm.outcome().await?;
    times.confirmed(event.created_at, sent);
    times.sent(event);
    Ok(())
}

/// The channel in `slot`, opened if it is closed.
async fn open_channel(
    slot: &Mutex<Option<Arc<Publisher>>>,
    publisher: &Publisher,
) -> Result<Arc<Publisher>, BrokerError> {
    let mut slot = slot.lock().await;
    if let Some(channel) = slot.as_ref().filter(|channel| channel.is_open()) {
        return Ok(Arc::clone(channel));
    }
    let channel = Arc::new(publisher.open_channel().await?);
    *slot = Some(Arc::clone(&channel));
    Ok(channel)
}

async fn connected(
    connecting: &mut Option<BoxFuture<'static, Result<Publisher, BrokerError>>>,
) -> Result<Publisher, BrokerError> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}
