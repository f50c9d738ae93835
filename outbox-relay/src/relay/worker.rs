//! Publishing from one database: does what the engine decides, and tells it what came of it.

use std::{sync::Arc, time::Instant};

use event_bus::{BrokerSettings, outbox::ownership::Presence};
use futures_util::FutureExt;
use relay_engine::{Action, Engine, Refusal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Source, Trouble,
    lanes::{
        Lane,
        broker::{BrokerLane, Happened, NotSent},
        log::{self, Row},
        ownership::{self, Member},
        session::Session,
    },
    listen::{self, Bells},
    observe::observe,
    retention,
    watch::watch,
};
use crate::settings::RelaySettings;

/// What a blocked broker is called.
const BLOCKED: &str = "it takes no messages: short of memory or disk";

struct Worker {
    source: Arc<Source>,
    engine: Engine<Row>,
    member: Member,
    opening: Option<Opening>,
    ownership: Lane<ownership::Answer>,
    log: Lane<log::Answer>,
    broker: BrokerLane,
    /// Whose end to look out for.
    neighbour: watch::Sender<Option<Uuid>>,
    /// What the broker said when it last refused something.
    refusal: String,
}

/// The sessions for ownership and for the log, to come.
type Opening = futures_util::future::BoxFuture<'static, Result<(Session, Session), Trouble>>;

/// Publishes what is pending in one database until `stop`.
pub(crate) async fn run(
    source: Arc<Source>,
    broker: &BrokerSettings,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    let id = Uuid::now_v7();
    let name = settings.name.clone().unwrap_or_else(|| format!("relay-{}", std::process::id()));
    let presence = if source.notifications { Presence::Session } else { Presence::Lease };
    let (neighbour, neighbours) = watch::channel(None);
    let bells = Arc::new(Bells::default());
    let terms = ownership::terms(settings.chunk.get(), settings.window.get());
    let mut worker = Worker {
        engine: Engine::new(terms, id.as_u64_pair().1),
        broker: BrokerLane::new(broker, &name),
        member: Member { id, name, presence },
        opening: None,
        ownership: Lane::closed(),
        log: Lane::closed(),
        neighbour,
        refusal: String::new(),
        source: Arc::clone(&source),
    };
    let attentive = async {
        if source.notifications {
            let listening = listen::listen(Arc::clone(&source), Arc::clone(&bells));
            tokio::join!(listening, watch(Arc::clone(&source), neighbours, Arc::clone(&bells)));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = worker.work(&bells, stop) => {}
        () = attentive => {}
        () = observe(Arc::clone(&source)) => {}
        () = retention::keep_tidy(Arc::clone(&source), settings.retention_days) => {}
    }
    worker.broker.close().await;
}

impl Worker {
    /// Works until a stop is complete.
    async fn work(&mut self, bells: &Bells, stop: &CancellationToken) {
        loop {
            if self.broker.has_ended() {
                "the connection has ended".clone_into(&mut self.refusal);
                self.engine.broker_lost(Instant::now());
            }
            self.engine.blocked(self.broker.is_blocked());
            while let Some(action) = self.engine.next(Instant::now()) {
                self.perform(action);
            }
            self.report();
            if self.engine.is_over() {
                return;
            }
            self.wait(bells, stop).await;
        }
    }

    /// Waits for the next thing that the engine has to know of, and tells it.
    async fn wait(&mut self, bells: &Bells, stop: &CancellationToken) {
        let wake_at = self.engine.wake_at(Instant::now());
        tokio::select! {
            biased;
            () = stop.cancelled(), if !self.engine.is_stopping() => self.engine.stop(),
            happened = self.broker.happened() => {
                self.at_the_broker(happened);
                // Confirmations come many at once, and so what follows them goes out at once.
                while let Some(happened) = self.broker.happened().now_or_never() {
                    self.at_the_broker(happened);
                }
            }
            answer = self.ownership.ended() => match answer {
                Ok(answer) => self.about_ownership(answer),
                Err(trouble) => self.database_lost(&trouble),
            },
            answer = self.log.ended() => match answer {
                Ok(answer) => self.about_the_log(answer),
                Err(trouble) => self.database_lost(&trouble),
            },
            opened = opened(&mut self.opening) => {
                self.opening = None;
                match opened {
                    Ok((ownership, log)) => {
                        self.ownership.open(ownership);
                        self.log.open(log);
                        self.engine.opened();
                    }
                    Err(trouble) => self.database_lost(&trouble),
                }
            }
            () = bells.committed.notified() => self.engine.notified(),
            () = bells.relay_left.notified() => self.engine.neighbour_left(),
            () = sleep_until(wake_at) => {}
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Open => self.open(),
            Action::Agree => {
                let member = self.member.clone();
                self.ownership.begin(|session| member.agree(session));
            }
            Action::Renew => {
                let member = self.member.clone();
                self.ownership.begin(|session| member.renew(session));
            }
            Action::Resign => {
                let member = self.member.clone();
                self.ownership.begin(|session| member.resign(session));
            }
            Action::Read(look) => self.log.begin(|session| log::read(session, look)),
            Action::Mark(ids) => self.log.begin(|session| log::mark(session, ids)),
            Action::Park(id, reason, lease) => {
                let relay_id = self.member.id;
                self.log.begin(|session| log::park(session, id, reason, relay_id, lease));
            }
            Action::Connect => self.broker.connect(),
            Action::Send(id) => self.send(id),
        }
    }

    fn open(&mut self) {
        // Another id for each session: the lock that goes with the last one may still be held by a session
        // that the server does not know to be dead.
        self.member.id = Uuid::now_v7();
        let (source, member) = (Arc::clone(&self.source), self.member.clone());
        self.opening =
            Some(Box::pin(async move { tokio::try_join!(member.enter(&source), source.connect()) }));
    }

    fn send(&mut self, id: Uuid) {
        let Some(Row(event)) = self.engine.event(id) else { return };
        match self.broker.send(&self.source, event) {
            Ok(()) => {}
            Err(NotSent::Impossible(reason)) => self.engine.impossible(id, reason),
            Err(NotSent::NotConnected) => self.engine.refused(id, Refusal::Disconnected, Instant::now()),
        }
    }

    fn at_the_broker(&mut self, happened: Happened) {
        let now = Instant::now();
        match happened {
            Happened::Confirmed(id) => self.engine.confirmed(id, now),
            Happened::Refused(id, trouble) => {
                let refusal = self.broker.refused(&trouble);
                self.refusal = trouble.to_string();
                self.engine.refused(id, refusal, now);
            }
            Happened::Connected(Ok(())) => self.engine.connected(),
            Happened::Connected(Err(error)) => {
                self.refusal = error.to_string();
                self.engine.broker_lost(now);
            }
        }
    }

    fn about_ownership(&mut self, answer: ownership::Answer) {
        match answer {
            ownership::Answer::Agreed { leases, neighbour } => {
                self.source.database_is(None);
                self.neighbour.send_if_modified(|known| std::mem::replace(known, neighbour) != neighbour);
                self.engine.agreed(leases);
            }
            ownership::Answer::Renewed(renewed) => self.engine.renewed(renewed),
            ownership::Answer::Resigned => self.engine.resigned(),
        }
        self.report_ownership();
    }

    fn about_the_log(&mut self, answer: log::Answer) {
        match answer {
            log::Answer::Found(found) => self.engine.found(found, Instant::now()),
            log::Answer::Marked(transaction) => {
                let events = self.engine.marked(transaction);
                self.source.has_published(events);
            }
            log::Answer::Parked(done) => self.engine.parked(done),
        }
    }

    fn database_lost(&mut self, trouble: &Trouble) {
        self.source.database_is(Some(trouble.to_string()));
        self.ownership = Lane::closed();
        self.log = Lane::closed();
        self.opening = None;
        self.engine.database_lost(Instant::now());
        self.report_ownership();
    }

    fn report_ownership(&self) {
        let partitions: Vec<i16> = self.engine.leases().iter().map(|lease| lease.partition).collect();
        self.source.owns(&partitions);
    }

    /// Says how things stand with the broker, where that is news.
    fn report(&self) {
        if self.engine.is_broker_well() {
            self.source.broker_is(None);
        } else if self.broker.is_blocked() {
            self.source.broker_is(Some(BLOCKED.to_owned()));
        } else if !self.refusal.is_empty() {
            self.source.broker_is(Some(self.refusal.clone()));
        }
    }
}

async fn opened(opening: &mut Option<Opening>) -> Result<(Session, Session), Trouble> {
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
