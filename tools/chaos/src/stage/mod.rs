//! A whole suite of the harness's own: private servers, real processes, and a proxy on every way.

mod broker;
mod ports;
mod servers;
mod service;
mod who;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use shop::{
    home::{Service as Port, Settled},
    private::PrivateServers,
    servers::{Postgres, Purpose, Rabbitmq, Tools},
    suite::{Name, Suite},
    terminal::{Interrupt, Progress},
};
use sqlx::{PgPool, postgres::PgPoolOptions};

pub(crate) use self::{
    broker::{Broker, POISON, Taken},
    service::Service,
    who::Who,
};
use crate::proxy::{Link, Protocol};

/// The most relays, and the most baskets, that the harness runs.
pub(crate) const RELAYS: u8 = 3;
const BASKETS: u8 = 2;

/// How long a look into a database may wait for a connection: a database may be away on purpose.
const ACQUIRE: Duration = Duration::from_secs(2);

/// The suite that is to be broken. Everything of it ends when this is dropped.
pub(crate) struct Stage {
    /// Dropped before the servers are.
    services: BTreeMap<Who, Service>,
    links: BTreeMap<(Who, Protocol), Link>,
    /// Where each service listens, in all its lives.
    ports: BTreeMap<Who, u16>,
    pub(crate) broker: Broker,
    /// The catalog's database, past all proxies, with the superuser's rights.
    pub(crate) catalog: PgPool,
    /// The basket's.
    pub(crate) basket: PgPool,
    pub(crate) rng: fastrand::Rng,
    /// The most that a relay or a basket was seen to have in memory, in bytes.
    pub(crate) heaviest: u64,
    suite: Suite,
    lane: u8,
    /// The safety that services are started without.
    pub(crate) without: Option<&'static str>,
    pub(crate) interrupt: Interrupt,
    servers: PrivateServers,
}

impl Stage {
    /// Starts the servers, migrates, seeds, and opens the proxies. No service runs yet. Stages of one process
    /// have different `lane`s.
    pub(crate) async fn open(
        binaries: &BTreeMap<String, PathBuf>,
        lane: u8,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let progress = Progress::new();
        // The suite's own configuration asks for them; services listen elsewhere, see `ports`.
        let further: Vec<Port> =
            [Port::Catalog, Port::Basket].into_iter().chain((1..=RELAYS).map(Port::Relay)).collect();
        let servers = tokio::task::block_in_place(|| {
            let tools = Tools::find_or_install(&progress, interrupt)?;
            progress.during(
                "starting a PostgreSQL and a RabbitMQ to be broken",
                |_| PrivateServers::start(&tools, Purpose::Keep, &further, interrupt),
                |_| "PostgreSQL and RabbitMQ are ready to be broken".to_owned(),
            )
        })?;
        let (ports, secrets) = (servers.ports().clone(), servers.secrets().clone());
        let database = |name: &str| -> Result<PgPool> {
            let url = Postgres::url(ports.of(Port::Postgres)?, "postgres", &secrets.postgres, name);
            Ok(PgPoolOptions::new().max_connections(4).acquire_timeout(ACQUIRE).connect_lazy(&url)?)
        };
        let broker = Broker::new(
            Rabbitmq::url(ports.of(Port::Amqp)?, "admin", &secrets.broker_admin),
            Rabbitmq::management_url(ports.of(Port::Management)?, &secrets.broker_admin),
        )?;
        let (catalog, basket) = (database("catalog")?, database("basket")?);
        let settled = Settled { relays: 1, binaries: binaries.clone(), servers: PathBuf::new() };
        let suite = Suite { home: servers.home().clone(), settled, ports, secrets };
        tokio::task::block_in_place(|| {
            suite.migrate(Name::Catalog, interrupt)?;
            suite.migrate(Name::Basket, interrupt)?;
            suite.seed(interrupt)
        })?;
        let mut stage = Self {
            services: BTreeMap::new(),
            links: BTreeMap::new(),
            ports: ports::choose(everybody(), lane)?,
            broker,
            catalog,
            basket,
            rng: fastrand::Rng::new(),
            heaviest: 0,
            suite,
            lane,
            without: None,
            interrupt: interrupt.clone(),
            servers,
        };
        stage.open_links().await?;
        Ok(stage)
    }

    /// One like this one was when it was opened, beside it.
    pub(crate) async fn another(&self) -> Result<Self> {
        let mut other = Self::open(&self.suite.settled.binaries, self.lane, &self.interrupt).await?;
        (other.without, other.heaviest) = (self.without, self.heaviest);
        Ok(other)
    }

    async fn open_links(&mut self) -> Result<()> {
        let (postgres, amqp) = (self.suite.ports.of(Port::Postgres)?, self.suite.ports.of(Port::Amqp)?);
        for who in everybody() {
            for (protocol, target) in [(Protocol::Postgres, postgres), (Protocol::Amqp, amqp)] {
                self.links.insert((who, protocol), Link::open(target, protocol).await?);
            }
        }
        Ok(())
    }

    /// The way from a service to one of its servers.
    pub(crate) fn link(&self, who: Who, protocol: Protocol) -> Result<&Link> {
        self.links.get(&(who, protocol)).with_context(|| format!("{who} has no link"))
    }

    /// A service that runs, or has ended and was not replaced.
    pub(crate) fn service(&mut self, who: Who) -> Result<&mut Service> {
        self.services.get_mut(&who).with_context(|| format!("{who} was not started"))
    }

    /// All that were started and not stopped.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Looks how much memory relays and baskets have just now.
    pub(crate) fn weigh(&mut self) {
        let weighed = self.services.values().filter(|service| service.who != Who::Catalog);
        let heaviest = weighed.map(|service| service.footprint().0).max();
        self.heaviest = self.heaviest.max(heaviest.unwrap_or(0));
    }

    /// Starts a service without waiting for it, in place of one that runs or has ended. `settings` are
    /// variables over the usual ones.
    pub(crate) fn launch(&mut self, who: Who, settings: &[(&str, &str)]) -> Result<()> {
        self.services.remove(&who);
        let port = self.port(who)?;
        let link = |protocol| anyhow::Ok(self.link(who, protocol)?.port);
        let through = [
            (self.suite.ports.of(Port::Postgres)?, link(Protocol::Postgres)?),
            (self.suite.ports.of(Port::Amqp)?, link(Protocol::Amqp)?),
        ];
        let mut variables = self.suite.configuration(who.name())?;
        for (_, value) in &mut variables {
            for (server, link) in through {
                *value = value.replace(&format!("127.0.0.1:{server}/"), &format!("127.0.0.1:{link}/"));
            }
        }
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        set("APP__HTTP__PORT", port.to_string());
        if let Who::Basket(_) = who {
            set("APP__CATALOG__URL", self.url(Who::Catalog)?);
        }
        variables.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Who::Relay(_) = who {
            variables.push(("APP__RELAY__NAME".to_owned(), who.to_string()));
        }
        if let Some(safety) = self.without {
            variables.push(("WITHOUT".to_owned(), safety.to_owned()));
        }
        let home = self.servers.home();
        let log = home.logs().join(format!("{who}.log"));
        let program = self.suite.settled.binary(who.binary())?;
        let service = Service::start(who, program, log, port, variables, &home.run())?;
        self.services.insert(who, service);
        Ok(())
    }

    /// Starts a service and waits until it is ready.
    pub(crate) async fn start(&mut self, who: Who) -> Result<()> {
        self.launch(who, &[])?;
        self.service(who)?.until_ready().await
    }

    /// Kills a service without warning.
    pub(crate) fn kill(&mut self, who: Who) -> Result<()> {
        self.service(who)?.kill()
    }

    /// Signals a service.
    pub(crate) fn signal(&mut self, who: Who, signal: Signal) -> Result<()> {
        let is_there = self.service(who)?.signal(signal)?;
        anyhow::ensure!(is_there, "{who} has ended by itself");
        Ok(())
    }

    /// Has a service end, and forgets it.
    pub(crate) async fn stop(&mut self, who: Who) -> Result<()> {
        let status = self.service(who)?.stop().await?;
        self.services.remove(&who);
        anyhow::ensure!(status.success(), "{who} ended badly when asked to: {status}");
        Ok(())
    }

    /// Stops every service; those that are started from now on do without this safety.
    pub(crate) fn replace_all(&mut self, without: Option<&'static str>) -> Result<()> {
        for who in self.services.keys().copied().collect::<Vec<_>>() {
            self.kill(who)?;
        }
        self.services.clear();
        self.without = without;
        Ok(())
    }

    /// Makes so many relays and baskets run, and the catalog, with nothing in their way; what was
    /// left over or ended is stopped or replaced.
    pub(crate) async fn settle(&mut self, relays: u8, baskets: u8) -> Result<()> {
        for link in self.links.values() {
            link.set(crate::proxy::Mode::Pass);
            link.never_cut();
        }
        let wanted: Vec<Who> = std::iter::once(Who::Catalog)
            .chain((1..=baskets).map(Who::Basket))
            .chain((1..=relays).map(Who::Relay))
            .collect();
        for who in self.services.keys().copied().collect::<Vec<_>>() {
            if !wanted.contains(&who) {
                self.stop(who).await?;
            }
        }
        for who in wanted {
            let runs = match self.services.get_mut(&who) {
                Some(service) => service.ended()?.is_none(),
                None => false,
            };
            if runs {
                self.service(who)?.until_ready().await?;
            } else {
                self.start(who).await?;
            }
        }
        Ok(())
    }

    /// Runs a command of the relay's operator tool to its end, with the relay's own configuration, and
    /// returns what it wrote.
    pub(crate) fn operate(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(self.suite.settled.binary("outbox-relay")?);
        command.args(args).envs(self.suite.configuration(Name::Relay(1))?).stdin(Stdio::null());
        let output =
            tokio::task::block_in_place(|| command.output()).context("cannot run the relay's tool")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "outbox-relay {} failed: {said}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where the servers keep their data.
    pub(crate) fn place(&self) -> PathBuf {
        self.servers.home().dir().join("servers")
    }

    /// Where the processes' logs are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.servers.home().logs()
    }

    /// The base address of a service's HTTP side.
    pub(crate) fn url(&self, who: Who) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.port(who)?))
    }

    fn port(&self, who: Who) -> Result<u16> {
        self.ports.get(&who).copied().with_context(|| format!("{who} has no port"))
    }
}

fn everybody() -> impl Iterator<Item = Who> {
    let relays = (1..=RELAYS).map(Who::Relay);
    let baskets = (1..=BASKETS).map(Who::Basket);
    std::iter::once(Who::Catalog).chain(relays).chain(baskets)
}
