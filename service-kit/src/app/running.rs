//! A service put together, and its life until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web;
use anyhow::{Context, ensure};
use event_bus::Subscriber;
use event_bus::rabbitmq::QueueAdmin;
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::inbox::{Figures, Inbox};
use super::service::Task;
use super::{Consumer, Service, ServiceApp, Subscription, inbox};
use crate::auth::Verifier;
use crate::server::{Readiness, Server};
use crate::settings::ServiceSettings;
use crate::{database, telemetry};

/// Connections of a consumer: for its batches, for the events that it tries again, and for what it does beside them.
const CONSUMER_CONNECTIONS: u32 = 3;

/// A batch may take longer than any request may. Where the consumer has given a statement up, the server
/// is to notice.
const CONSUMER_SESSION: [(&str, &str); 2] =
    [("statement_timeout", "5min"), ("client_connection_check_interval", "5s")];

/// How long after a stop a task may go on. A process has 10 s to end, and its pools need some of that.
const FINISH: Duration = Duration::from_secs(8);

/// How long the database may take to close the connections of a pool.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// A service that listens; it serves and consumes once it is [run](Running::run).
pub struct Running {
    server: Server,
    subscriber: Option<Subscriber>,
    tasks: Vec<Task>,
    pools: Vec<PgPool>,
    stop: CancellationToken,
}

impl<S: DeserializeOwned + 'static> ServiceApp<S> {
    /// Puts the service together and listens. Nothing is connected yet: database and broker may be
    /// unavailable. `stop` ends the service.
    pub fn start(self, settings: ServiceSettings<S>, stop: &CancellationToken) -> anyhow::Result<Running> {
        let pool = match self.migrations {
            Some(_) => Some(database::connect(settings.common.database()?, self.about.name)?),
            None => None,
        };
        self.start_on(pool, settings, stop)
    }

    /// Like [`start`](Self::start), with a pool for requests that the caller has made.
    pub fn start_on(
        self,
        pool: Option<PgPool>,
        settings: ServiceSettings<S>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Running> {
        // First of all: what is counted before there is a recorder is lost.
        telemetry::recorder()?;
        let ServiceSettings { common, own } = settings;
        let mut service = Service {
            verifier: Verifier::new(&common.auth, common.mode)?,
            settings: own,
            stop: stop.clone(),
            name: self.about.name,
            pool,
            further_pools: Vec::new(),
            subscriber: None,
            subscription: None,
            figures: Figures::default(),
            warnings: Vec::new(),
            tasks: Vec::new(),
            common,
        };
        let queue_admin = match &self.consumer {
            Some(consumer) => Some(service.subscribe(consumer)?),
            None => None,
        };
        let data = (self.state)(&mut service)?;
        let subscription = service.subscription.clone().map(web::Data::new);
        let inbox = service.subscription.clone().zip(queue_admin);
        let inbox = inbox.map(|(subscription, queue_admin)| {
            let figures = std::mem::take(&mut service.figures);
            web::Data::new(Inbox { subscription, queue_admin, figures })
        });
        let readiness = readiness(service.pool.as_ref().zip(self.migrations), service.subscription.as_ref());
        let warnings = std::mem::take(&mut service.warnings).into_iter();
        let readiness = warnings.fold(readiness, |readiness, (name, is_well)| readiness.warn(name, is_well));
        let (verifier, pool) = (service.verifier.clone(), service.pool.clone());
        let about = self.about;
        let (app_routes, has_outbox) = (self.routes, self.has_outbox);
        let with_data = move |config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>| {
            if let Some(pool) = &pool {
                config.app_data(web::Data::new(pool.clone()));
            }
            data.add(config);
            app_routes(config);
            if has_outbox {
                super::outbox::routes(config);
            }
            if let Some(subscription) = &subscription {
                config.app_data(subscription.clone());
            }
            if let Some(inbox) = &inbox {
                config.app_data(inbox.clone());
                inbox::routes(config);
            }
        };
        let server = Server::bind(&service.common.http, about, verifier, readiness, with_data, stop)?;
        let pools = service.pool.into_iter().chain(service.further_pools).collect();
        Ok(Running {
            server,
            subscriber: service.subscriber,
            tasks: service.tasks,
            pools,
            stop: stop.clone(),
        })
    }
}

impl<S> Service<S> {
    fn subscribe(&mut self, consumer: &Consumer) -> anyhow::Result<QueueAdmin> {
        let session: Vec<_> = CONSUMER_SESSION.iter().chain(consumer.session).copied().collect();
        let pool = self.further_pool("subscriber", CONSUMER_CONNECTIONS, &session)?;
        let broker = self.common.broker()?.config()?;
        let subscriber = (consumer.handlers)(Subscriber::new(consumer.name, pool, broker.clone()))?
            .config(self.common.consumer.clone())?;
        self.subscription = Some(Subscription::new(consumer.name, subscriber.health(), self.pool()?));
        self.subscriber = Some(subscriber);
        Ok(QueueAdmin::new(consumer.name, broker))
    }
}

impl Running {
    /// Where the service listens; tells the port when the configured one was 0.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves and consumes until `stop`; what was begun is finished first. What a task does for longer than 8 s after that is
    /// given up, as by a crash: an event is delivered again, a row of work is done again.
    ///
    /// Where one part ends by itself the others stop too: a process that is gone is seen and started
    /// again, one that serves and no longer consumes is not.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { server, subscriber, mut tasks, pools, stop } = self;
        if let Some(pool) = pools.first().cloned() {
            let until = stop.clone();
            tokio::spawn(async move { until.run_until_cancelled(observe(pool)).await });
        }
        if let Some(subscriber) = subscriber {
            tasks.push(("the subscriber", Box::pin(subscriber.run(stop.clone()))));
        }
        let tasks = tasks.into_iter().map(|(name, task)| {
            let task = tokio::spawn(task);
            let stop = stop.clone();
            async move {
                let end = finish(name, task, &stop, FINISH);
                until_end(end, &stop).await.with_context(|| format!("{name} failed"))
            }
        });
        let (served, ended) = tokio::join!(until_end(server.run(), &stop), join_all(tasks));
        let closed = join_all(pools.iter().map(PgPool::close));
        if tokio::time::timeout(CLOSE_DEADLINE, closed).await.is_err() {
            tracing::debug!("the database did not close its connections in time");
        }
        ended.into_iter().collect::<Result<Vec<()>, _>>()?;
        served
    }
}

/// Runs a part of the service, and stops the others when it ends.
async fn until_end<T>(part: impl Future<Output = T>, stop: &CancellationToken) -> T {
    let outcome = part.await;
    stop.cancel();
    outcome
}

/// Waits for the end of a task; it is aborted where it goes on for longer than `at_most` after `stop`. An error: it panicked.
async fn finish(
    name: &str,
    mut task: JoinHandle<()>,
    stop: &CancellationToken,
    at_most: Duration,
) -> Result<(), JoinError> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(at_most).await;
    };
    tokio::select! {
        outcome = &mut task => outcome,
        () = too_late => {
            tracing::warn!(task = name, "aborted: it did not finish in time after the stop");
            task.abort();
            Ok(())
        }
    }
}

/// Publishes the figures of the pool.
async fn observe(pool: PgPool) {
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    loop {
        ticks.tick().await;
        database::observe(&pool);
    }
}

/// Ready means: the database answers and is up to date, and no event can be missed any more. A broker
/// that becomes unavailable later does not matter: requests are answered without it.
fn readiness(
    database: Option<(&PgPool, &'static Migrator)>,
    subscription: Option<&Subscription>,
) -> Readiness {
    let mut readiness = Readiness::new();
    if let Some((pool, migrations)) = database {
        let pool = pool.clone();
        readiness = readiness.check("database", move || {
            let pool = pool.clone();
            async move { database::is_ready(&pool, migrations).await }
        });
    }
    if let Some(subscription) = subscription {
        let asked = subscription.clone();
        let (shown, blocked) = (subscription.health.clone(), subscription.health.clone());
        readiness = readiness
            .check("subscription", move || {
                let subscription = asked.clone();
                async move {
                    ensure!(subscription.is_established().await?, "the queue was never bound yet");
                    Ok(())
                }
            })
            .show("consumer", move || shown.is_connected())
            .warn("no_blocked_keys", move || blocked.blocked_keys() == 0);
    }
    readiness
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;
    use crate::worker::{Job, Limits, Worker};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Rows that are never done.
    #[derive(Clone, Default)]
    struct Endless {
        begun: Arc<Notify>,
        stopped: CancellationToken,
    }

    impl Job for Endless {
        type Row = ();

        async fn take(&self, _limit: usize, _lease: Duration) -> Result<Vec<()>, sqlx::Error> {
            Ok(vec![()])
        }

        async fn perform(&self, (): ()) -> Option<Duration> {
            let _stopped = self.stopped.clone().drop_guard();
            self.begun.notify_one();
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_row_that_takes_long_does_not_hold_a_stop_up_for_as_long() {
        let (job, stop) = (Endless::default(), CancellationToken::new());
        let limits = Limits {
            concurrency: 1,
            deadline_ms: 10,
            lease_ms: 60_000,
            poll_ms: 20,
            first_pause_ms: 200,
            longest_pause_ms: 1_000,
        };
        let worker = Worker { job: job.clone(), limits, work: Arc::default(), stop: stop.clone() };
        let running = tokio::spawn(worker.run());
        timeout(PATIENCE, job.begun.notified()).await.expect("it is begun");
        stop.cancel();
        let end = finish("the worker", running, &stop, Duration::from_millis(20));
        timeout(PATIENCE, end).await.expect("the stop goes on").unwrap();
        timeout(PATIENCE, job.stopped.cancelled()).await.expect("the row does not go on");
    }
}
