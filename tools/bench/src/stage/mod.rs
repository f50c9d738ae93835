//! The servers, the services and the data that are measured.

mod client;
mod data;
mod queue;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use shop::home::{Service, Settled, checkout};
use shop::private::PrivateServers;
use shop::process::{Running, end, kill};
use shop::servers::{Postgres, Purpose, Rabbitmq, Tools};
use shop::suite::{Name, Suite};
use shop::terminal::{Interrupt, Progress, complain};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub(crate) use self::client::{Client, Load, closed_loop, header};
pub(crate) use self::data::{BACKLOG_TYPE, CARTS, FIRST, PRODUCTS};
pub(crate) use self::queue::{EXCHANGE, Queue};

/// The most relays that are measured.
const RELAYS: u8 = 3;

/// How long a process gets to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything of it ends when this is dropped.
pub(crate) struct Stage {
    services: BTreeMap<String, Running>,
    suite: Suite,
    /// The catalog's database, with the superuser's rights.
    pub(crate) catalog: PgPool,
    /// The basket's.
    pub(crate) basket: PgPool,
    /// The broker, with the administrator's rights.
    pub(crate) amqp: String,
    /// For changing prices.
    pub(crate) token: String,
    interrupt: Interrupt,
    pgbench: PathBuf,
    servers: PrivateServers,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Also where a measurement failed; the servers end after them.
        for running in self.services.values() {
            if let Err(error) = kill(&running.process) {
                complain(format!("  ! {}: {error:#}", running.name));
            }
        }
    }
}

impl Stage {
    /// Starts the servers, migrates and seeds. No service runs yet.
    pub(crate) async fn open(progress: &Progress) -> Result<Self> {
        let interrupt = Interrupt::install()?;
        let further: Vec<Service> =
            [Service::Catalog, Service::Basket].into_iter().chain((1..=RELAYS).map(Service::Relay)).collect();
        let (servers, pgbench) = tokio::task::block_in_place(|| {
            let tools = Tools::find_or_install(progress, &interrupt)?;
            let servers = progress.during(
                "starting a PostgreSQL and a RabbitMQ to measure with",
                |_| PrivateServers::start(&tools, Purpose::Keep, &further, &interrupt),
                |_| "PostgreSQL and RabbitMQ are ready to be measured with".to_owned(),
            )?;
            anyhow::Ok((servers, tools.postgres.bin.join("pgbench")))
        })?;
        let (ports, secrets) = (servers.ports().clone(), servers.secrets().clone());
        let url = |name: &str| {
            Ok::<_, anyhow::Error>(Postgres::url(
                ports.of(Service::Postgres)?,
                "postgres",
                &secrets.postgres,
                name,
            ))
        };
        let pool = |name: &str| {
            Ok::<_, anyhow::Error>(PgPoolOptions::new().max_connections(20).connect_lazy(&url(name)?)?)
        };
        let (catalog, basket) = (pool("catalog")?, pool("basket")?);
        let amqp = Rabbitmq::url(ports.of(Service::Amqp)?, "admin", &secrets.broker_admin);
        let settled = Settled { relays: 1, binaries: programs()?, servers: PathBuf::new() };
        let suite = Suite { home: servers.home().clone(), settled, ports, secrets };
        tokio::task::block_in_place(|| {
            suite.migrate(Name::Catalog, &interrupt)?;
            suite.migrate(Name::Basket, &interrupt)?;
            suite.seed(&interrupt)
        })?;
        // When a row was committed is then written down by PostgreSQL itself.
        sqlx::query("alter system set track_commit_timestamp = on").execute(&catalog).await?;
        let token = shop::token::operator()?;
        let stage = Self {
            services: BTreeMap::new(),
            suite,
            catalog,
            basket,
            amqp,
            token,
            interrupt,
            pgbench,
            servers,
        };
        stage.restart_postgres()?;
        sqlx::query("truncate integration_event_log").execute(&stage.catalog).await?;
        stage.fill().await?;
        Ok(stage)
    }

    fn restart_postgres(&self) -> Result<()> {
        tokio::task::block_in_place(|| {
            let record = shop::process::Record::read(&self.suite.home.run(), &Name::Postgres.to_string())?;
            let record = record.context("PostgreSQL left no record")?;
            end(&record.process, Signal::INT, PATIENCE, &self.interrupt)?;
            self.servers.start_postgres(&self.interrupt).map(drop)
        })
    }

    /// Starts a service and waits until it is ready; returns how long that took. One that runs already is left alone.
    pub(crate) fn start(&mut self, name: Name) -> Result<Duration> {
        self.interrupt.check()?;
        let started = Instant::now();
        if !self.services.contains_key(&name.to_string()) {
            let running = tokio::task::block_in_place(|| self.suite.start_service(name, &self.interrupt))?;
            self.services.insert(name.to_string(), running);
        }
        Ok(started.elapsed())
    }

    /// Ends a service, if it runs.
    pub(crate) fn stop(&mut self, name: Name) -> Result<()> {
        self.end(name, Signal::TERM)
    }

    /// Ends a service without warning.
    pub(crate) fn kill(&mut self, name: Name) -> Result<()> {
        self.end(name, Signal::KILL)
    }

    fn end(&mut self, name: Name, signal: Signal) -> Result<()> {
        self.interrupt.check()?;
        if let Some(running) = self.services.remove(&name.to_string()) {
            tokio::task::block_in_place(|| end(&running.process, signal, PATIENCE, &self.interrupt))?;
        }
        Ok(())
    }

    /// Sends a signal to a running service.
    pub(crate) fn signal(&self, name: Name, signal: Signal) -> Result<()> {
        let running = self.services.get(&name.to_string()).with_context(|| format!("{name} does not run"))?;
        running.process.signal(signal).map(drop)
    }

    /// Has exactly these services run.
    pub(crate) fn run_only(&mut self, names: &[Name]) -> Result<()> {
        for name in Name::services(RELAYS) {
            if !names.contains(&name) {
                self.stop(name)?;
            }
        }
        names.iter().try_for_each(|name| self.start(*name).map(drop))
    }

    /// The process id of a running service.
    pub(crate) fn pid(&self, name: Name) -> Result<u32> {
        Ok(self.services.get(&name.to_string()).with_context(|| format!("{name} does not run"))?.process.pid)
    }

    /// The port of a service, or of a server.
    pub(crate) fn port(&self, service: Service) -> Result<u16> {
        self.suite.ports.of(service)
    }

    /// A command of PostgreSQL's own, with the superuser's rights on this database.
    pub(crate) fn pgbench(&self, database: &str) -> Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(&self.pgbench);
        command.env("PGPASSWORD", &self.suite.secrets.postgres).kill_on_drop(true);
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port(Service::Postgres)?.to_string()]);
        command.arg(database);
        Ok(command)
    }

    /// Fails when the user wants to stop.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(self.interrupt.check()?)
    }

    /// A connection to neither database: what looks at their statistics must not count in them.
    pub(crate) fn pool_elsewhere(&self) -> Result<PgPool> {
        let secrets = &self.suite.secrets;
        let url = Postgres::url(self.port(Service::Postgres)?, "postgres", &secrets.postgres, "postgres");
        Ok(PgPoolOptions::new().max_connections(1).connect_lazy(&url)?)
    }

    /// Where files may be put for the time being.
    pub(crate) fn dir(&self) -> PathBuf {
        self.suite.home.dir().to_owned()
    }
}

/// The services' programs: they are built with this one and lie beside it.
fn programs() -> Result<BTreeMap<String, PathBuf>> {
    let me = std::env::current_exe().context("cannot find this program's file")?;
    let dir = me.parent().map_or_else(checkout, PathBuf::from);
    Ok(["catalog-api", "basket-api", "outbox-relay"].map(|name| (name.to_owned(), dir.join(name))).into())
}
