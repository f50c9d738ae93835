//! What a service is given to make its state from.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context;
use event_bus::Subscriber;
use event_bus::outbox::Notifier;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

use super::inbox::Figures;
use super::{ReadFigure, Subscription};
use crate::auth::Verifier;
use crate::database;
use crate::settings::CommonSettings;

/// What the routes share: adds it to the configuration of each worker thread.
#[derive(Clone)]
pub struct Data(Arc<dyn Fn(&mut ServiceConfig<'_>) + Send + Sync>);

impl Data {
    /// Calls `add` once for each worker thread, on that thread.
    pub fn new(add: impl Fn(&mut ServiceConfig<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(add))
    }

    pub(super) fn add(&self, config: &mut ServiceConfig<'_>) {
        (self.0)(config);
    }
}

/// A service that is about to start.
pub struct Service<S> {
    /// The settings that only this service has.
    pub settings: S,
    /// The settings that every service has.
    pub common: CommonSettings,
    /// Checks bearer tokens.
    pub verifier: Verifier,
    /// Cancelled when the service stops: everything that runs in the background ends with it.
    pub stop: CancellationToken,
    pub(super) name: &'static str,
    pub(super) pool: Option<PgPool>,
    pub(super) further_pools: Vec<PgPool>,
    pub(super) subscriber: Option<Subscriber>,
    pub(super) subscription: Option<Subscription>,
    pub(super) figures: Figures,
    pub(super) warnings: Vec<Warning>,
    pub(super) tasks: Vec<Task>,
}

/// Something that waits for an operator while it is not well, by its name.
pub(super) type Warning = (&'static str, Box<dyn Fn() -> bool + Send + Sync>);

/// Work in the background, with a name for its errors.
pub(super) type Task = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

impl<S> Service<S> {
    /// The pool of connections for requests; an error where the service declares no database.
    pub fn pool(&self) -> anyhow::Result<PgPool> {
        self.pool.clone().context("the service has no database")
    }

    /// Makes a further pool of the same database, which no load of requests can exhaust. `purpose` is
    /// part of the name that PostgreSQL shows for its connections.
    pub fn further_pool(
        &mut self,
        purpose: &str,
        connections: u32,
        session: &[(&str, &str)],
    ) -> anyhow::Result<PgPool> {
        let url = self.common.database()?.url.expose_secret();
        let options = database::connect_options("database.url", url)?
            .application_name(&format!("{} {purpose}", self.name))
            .options(session.iter().copied());
        let pool = database::connect_with(options, connections);
        self.further_pools.push(pool.clone());
        Ok(pool)
    }

    /// Starts what wakes relays after a commit.
    pub fn outbox_notifier(&self) -> anyhow::Result<Notifier> {
        Ok(Notifier::start(self.pool()?, self.stop.clone()))
    }

    /// The subscription of the service's consumer; an error where it declares none.
    pub fn subscription(&self) -> anyhow::Result<Subscription> {
        self.subscription.clone().context("the service has no consumer")
    }

    /// Calls `notify` after each commit of the consumer that had an effect. It must be quick.
    pub fn after_commit(&mut self, notify: impl Fn() + Send + Sync + 'static) {
        self.subscriber = self.subscriber.take().map(|subscriber| subscriber.after_commit(notify));
    }

    /// Adds a figure of the service's own to `GET /api/v1/inbox/status`.
    pub fn inbox_figure(&mut self, name: &'static str, read: ReadFigure) {
        self.figures.push((name, read));
    }

    /// Shows `name`, such as `no_held_payments`, beside the checks of readiness while `is_well` says no: something waits
    /// for an operator, and the service is ready all the same.
    pub fn warn(&mut self, name: &'static str, is_well: impl Fn() -> bool + Send + Sync + 'static) {
        self.warnings.push((name, Box::new(is_well)));
    }

    /// Runs `task` beside the server. The service stops when it ends; it must end when the service stops, and is aborted 8 s
    /// after that.
    pub fn background(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push((name, Box::pin(task)));
    }
}
