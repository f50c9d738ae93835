//! Publishes from one database: performs the engine's actions and reports their outcome.

mod answers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use event_bus::BrokerConfig;
use futures_util::FutureExt;
use relay_engine::{Action, Config, Engine, Outcome};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    connections::{
        ConnectionTask,
        broker::BrokerConnection,
        log::{self, Row},
        ownership,
    },
    gauges,
    listen::{self, WakeUps},
    peer_monitor, retention,
};
use crate::{
    settings::RelaySettings,
    source::Source,
    store::{
        Session, StoreError,
        ownership::{Liveness, Registration},
        pending::PendingEvent,
    },
};

/// The problem of a blocked broker.
const BLOCKED: &str = "it takes no messages: short of memory or disk";

/// How often the types that are held back are recorded: counting their events takes time.
const HELD_INTERVAL: Duration = Duration::from_secs(1);

/// Scheduled events that one statement moves into the log.
const SCHEDULED_BATCH: usize = 1_000;

struct Worker {
    source: Arc<Source>,
    engine: Engine<Row>,
    registration: Registration,
    opening: Option<Opening>,
    ownership: ConnectionTask<ownership::Answer>,
    log: ConnectionTask<log::Answer>,
    broker: BrokerConnection,
    /// The relay that the peer monitor monitors.
    peer: watch::Sender<Option<Uuid>>,
    /// The last error of the broker.
    broker_error: String,
    /// When the types that are held back were last recorded.
    reported_at: Instant,
}

/// The sessions for ownership and for the log, while they are opened.
type Opening = futures_util::future::BoxFuture<'static, Result<(Session, Session), StoreError>>;

/// Publishes the pending events of one database until `stop`.
pub(crate) async fn run(
    source: Arc<Source>,
    broker: &BrokerConfig,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    let id = Uuid::now_v7();
    let name = settings.name.clone().unwrap_or_else(|| format!("relay-{}", std::process::id()));
    let liveness = if source.notifications { Liveness::Session } else { Liveness::Lease };
    let (peer, peers) = watch::channel(None);
    let wake_ups = Arc::new(WakeUps::default());
    let config = Config {
        batch_size: usize::from(settings.batch_size.get()),
        max_in_flight: usize::from(settings.max_in_flight.get()),
        ..Config::default()
    };
    let mut worker = Worker {
        engine: Engine::new(config, id.as_u64_pair().1),
        broker: BrokerConnection::new(broker, &name, &source.name),
        registration: Registration {
            id,
            name,
            liveness,
            destination: broker.destination(),
            cluster: String::new(),
            source: source.uri.clone(),
            problems: Vec::new(),
        },
        opening: None,
        ownership: ConnectionTask::closed(),
        log: ConnectionTask::closed(),
        peer,
        broker_error: String::new(),
        reported_at: Instant::now(),
        source: Arc::clone(&source),
    };
    let notifications = async {
        if source.notifications {
            let listening = listen::listen(Arc::clone(&source), Arc::clone(&wake_ups));
            tokio::join!(listening, peer_monitor::run(Arc::clone(&source), peers, Arc::clone(&wake_ups)));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = worker.work(&wake_ups, stop) => {}
        () = notifications => {}
        () = gauges::update(Arc::clone(&source)) => {}
        () = retention::run(Arc::clone(&source), settings.retention_days) => {}
    }
    worker.broker.close().await;
}

impl Worker {
    /// Works until a stop is complete.
    async fn work(&mut self, wake_ups: &WakeUps, stop: &CancellationToken) {
        loop {
            if self.broker.has_ended() {
                "the connection has ended".clone_into(&mut self.broker_error);
                self.engine.broker_lost(Instant::now());
            }
            self.engine.blocked(self.broker.is_blocked());
            self.report();
            while let Some(action) = self.engine.next(Instant::now()) {
                self.perform(action);
            }
            if self.engine.is_over() {
                return;
            }
            self.wait(wake_ups, stop).await;
        }
    }

    /// Waits for the next input of the engine, and reports it.
    async fn wait(&mut self, wake_ups: &WakeUps, stop: &CancellationToken) {
        let wake_at = self.engine.wake_at(Instant::now());
        tokio::select! {
            biased;
            () = stop.cancelled(), if !self.engine.is_stopping() => self.engine.stop(),
            event = self.broker.next() => {
                self.broker_event(event);
                // Confirmations arrive many at once: the events behind them then go out together.
                while let Some(event) = self.broker.next().now_or_never() {
                    self.broker_event(event);
                }
            }
            answer = self.ownership.finished() => match answer {
                Ok(answer) => self.ownership_answer(answer),
                Err(error) => self.database_lost(&error),
            },
            answer = self.log.finished() => match answer {
                Ok(answer) => self.log_answer(answer),
                Err(error) => {
                    // The server did not even cancel the poll: the session is given up, and the next poll still reads less.
                    if matches!(error, StoreError::TimedOut { .. }) {
                        self.engine.poll_timed_out();
                    }
                    self.database_lost(&error);
                }
            },
            opened = opened(&mut self.opening) => {
                self.opening = None;
                match opened {
                    Ok((ownership, log)) => {
                        self.ownership.open(ownership);
                        self.log.open(log);
                        self.engine.opened();
                    }
                    Err(error) => self.database_lost(&error),
                }
            }
            () = wake_ups.committed.notified() => self.engine.notified(),
            () = wake_ups.peer_left.notified() => self.engine.peer_left(),
            () = sleep_until(wake_at) => {}
        }
    }

    fn perform(&mut self, action: Action) {
        let registration =
            || Registration { problems: self.source.status().problems(), ..self.registration.clone() };
        match action {
            Action::Open => self.open(),
            Action::Rebalance(take) => {
                let registration = registration();
                self.ownership.start(|session| ownership::rebalance(registration, session, take));
            }
            Action::Renew => {
                let registration = registration();
                self.ownership.start(|session| ownership::renew(registration, session));
            }
            Action::Release => {
                let registration = registration();
                self.ownership.start(|session| ownership::release(registration, session));
            }
            Action::Poll(poll) => self.log.start(|session| log::poll(session, poll)),
            Action::MoveDue => self.log.start(|session| log::move_due(session, SCHEDULED_BATCH)),
            Action::Mark(ids) => self.log.start(|session| log::mark(session, ids)),
            Action::MarkFailed(failed) => {
                let relay_id = self.registration.id;
                self.log.start(|session| log::mark_failed(session, failed, relay_id));
            }
            Action::Connect => self.broker.connect(),
            Action::Send(id) => self.send(id, BrokerConnection::send),
            Action::Probe(id) => self.send(id, BrokerConnection::probe),
        }
    }

    fn open(&mut self) {
        // Each session has an id of its own: the server may not have noticed yet that the last one ended, and
        // still hold its lock.
        self.registration.id = Uuid::now_v7();
        let (source, registration) = (Arc::clone(&self.source), self.registration.clone());
        self.opening = Some(Box::pin(async move {
            tokio::try_join!(ownership::open(&registration, &source), source.connect())
        }));
    }

    fn send(&mut self, id: Uuid, send: fn(&mut BrokerConnection, &Arc<Source>, &Arc<PendingEvent>) -> bool) {
        let Some(Row(event)) = self.engine.event(id) else { return };
        if let Some(problem) = event.problem.clone() {
            self.engine.answered(id, Outcome::Failed(problem), Instant::now());
        } else if !send(&mut self.broker, &self.source, event) {
            self.engine.answered(id, Outcome::Unknown, Instant::now());
        }
    }

    fn report_ownership(&self) {
        let partitions: Vec<i16> = self.engine.leases().iter().map(|lease| lease.partition).collect();
        self.source.set_partitions(&partitions);
    }

    /// Records whether the broker is available, and once a second which types it does not take.
    fn report(&mut self) {
        if self.reported_at.elapsed() >= HELD_INTERVAL {
            self.reported_at = Instant::now();
            self.source.set_held(self.engine.held_back());
        }
        if self.engine.is_broker_available() {
            self.source.set_broker_problem(None);
        } else if self.broker.is_blocked() {
            self.source.set_broker_problem(Some(BLOCKED));
        } else if !self.broker_error.is_empty() {
            self.source.set_broker_problem(Some(&self.broker_error));
        }
    }
}

async fn opened(opening: &mut Option<Opening>) -> Result<(Session, Session), StoreError> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
