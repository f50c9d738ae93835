//! A whole suite of the harness's own: private servers, real processes, and a proxy on every connection.

mod broker;
mod databases;
mod exchange;
mod ports;
mod programs;
mod servers;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use shop::{
    private::PrivateServers,
    process::{Launch, Record},
    registry::{Counts, Name, Registry},
    servers::{Choice, Purpose, Tools},
    suite::Suite,
    terminal::{Interrupt, Progress},
};
use sqlx::PgPool;

pub use self::programs::{Build, Programs};
use crate::{
    Broker, Process,
    proxy::{Protocol, Proxy},
    token,
};

/// The most relays, and the most baskets, that an environment runs.
const RELAYS: u8 = 3;
const BASKETS: u8 = 2;

/// What is spoken with each server.
const SERVERS: [(Protocol, Name); 2] =
    [(Protocol::Postgres, Name::Postgres), (Protocol::Amqp, Name::RABBITMQ)];

/// How an environment differs from others.
#[derive(Debug, Clone)]
pub struct Options {
    /// What its servers are for, as progress messages say it.
    pub purpose: &'static str,
    /// Its number among the environments of this process, from 0.
    pub number: u8,
    /// How many nodes its broker has: 1 or 3. Services reach a cluster without proxies.
    pub brokers: u8,
    /// Whether services reach their servers through proxies.
    pub is_proxied: bool,
    /// How many connections each pool has.
    pub connections: u32,
    /// How long a query waits for a connection.
    pub acquire: Duration,
    /// The programs of an older release, which make its databases and which its services begin as.
    pub older: Option<Programs>,
}

/// Private servers and the services on them. All of it ends when this is dropped.
pub struct Environment {
    /// Dropped before the servers are.
    services: BTreeMap<Name, Process>,
    proxies: BTreeMap<(Name, Protocol), Proxy>,
    /// The broker, past all proxies, with the administrator's rights.
    pub broker: Broker,
    /// The catalog's database, past all proxies, with the superuser's rights.
    pub catalog: PgPool,
    /// The basket's.
    pub basket: PgPool,
    /// Ordering's.
    pub ordering: PgPool,
    /// The payments'.
    pub payment: PgPool,
    /// The users'.
    pub accounts: PgPool,
    /// The mails'.
    pub notifier: PgPool,
    /// Variables that every service gets over the usual ones.
    pub variables: Vec<(String, String)>,
    /// Variables that one service gets over the usual ones, however often it is started.
    pub settings: Vec<(Name, &'static str, &'static str)>,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
    /// The directory of PostgreSQL's programs.
    pub postgres_programs: PathBuf,
    options: Options,
    suite: Suite,
    servers: PrivateServers,
}

impl Environment {
    /// Starts the servers, migrates, seeds, and opens the proxies. No service runs yet.
    pub async fn open(options: Options, interrupt: &Interrupt) -> Result<Self> {
        let progress = Progress::new();
        let registry = Registry::of_checkout()?;
        let counts = Counts { brokers: options.brokers, relays: RELAYS, baskets: BASKETS };
        let nodes = (2..=counts.brokers).map(Name::Rabbitmq);
        let programs = registry.programs(counts);
        let further: Vec<Name> = programs.iter().copied().chain(nodes).collect();
        let purpose = options.purpose;
        let (servers, tools) = tokio::task::block_in_place(|| {
            let tools = Tools::find_or_install(&Choice::of_the_environment(), &progress, interrupt)?;
            let servers = progress.during(
                &format!("starting a PostgreSQL and a RabbitMQ {purpose}"),
                |_| PrivateServers::start(&registry, &tools, Purpose::Keep, &further, interrupt),
                |_| format!("PostgreSQL and RabbitMQ are ready {purpose}"),
            )?;
            anyhow::Ok((servers, tools))
        })?;
        let broker = broker::of(servers.ports(), servers.secrets(), options.brokers)?;
        let build = if options.older.is_some() { Build::Older } else { Build::This };
        let mut suite = servers.suite(programs::of(build, &options, &registry)?);
        ports::choose(&mut suite.ports, &programs, options.number)?;
        tokio::task::block_in_place(|| suite.prepare(interrupt))?;
        let mut environment = Self {
            services: BTreeMap::new(),
            proxies: BTreeMap::new(),
            broker,
            catalog: databases::pool(&suite, &options, "catalog")?,
            basket: databases::pool(&suite, &options, "basket")?,
            ordering: databases::pool(&suite, &options, "ordering")?,
            payment: databases::pool(&suite, &options, "payment")?,
            accounts: databases::pool(&suite, &options, "accounts")?,
            notifier: databases::pool(&suite, &options, "notifier")?,
            variables: Vec::new(),
            settings: Vec::new(),
            interrupt: interrupt.clone(),
            postgres_programs: tools.postgres.bin.clone(),
            options,
            suite,
            servers,
        };
        if environment.options.is_proxied {
            environment.open_proxies(&programs).await?;
        }
        Ok(environment)
    }

    /// A new environment like this one.
    pub async fn another(&self) -> Result<Self> {
        let mut other = Self::open(self.options.clone(), &self.interrupt).await?;
        other.variables.clone_from(&self.variables);
        other.settings.clone_from(&self.settings);
        Ok(other)
    }

    /// Opens the proxies of every program that has servers: tools and the storefront have none.
    async fn open_proxies(&mut self, programs: &[Name]) -> Result<()> {
        let has_servers = |name: &Name| !matches!(name, Name::Tool(_) | Name::Storefront);
        for service in programs.iter().copied().filter(has_servers) {
            for (protocol, server) in SERVERS {
                let proxy = Proxy::open("127.0.0.1", self.suite.ports.of(server)?, protocol).await?;
                self.proxies.insert((service, protocol), proxy);
            }
        }
        Ok(())
    }

    /// The proxy between a service and one of its servers.
    pub fn proxy(&self, service: Name, protocol: Protocol) -> Result<&Proxy> {
        self.proxies.get(&(service, protocol)).with_context(|| format!("{service} has no proxy"))
    }

    /// A service that runs, or has ended and was not replaced.
    pub fn service(&mut self, service: Name) -> Result<&mut Process> {
        self.services.get_mut(&service).with_context(|| format!("{service} was not started"))
    }

    /// All services that were started and not stopped.
    pub fn services(&self) -> impl Iterator<Item = (Name, &Process)> {
        self.services.iter().map(|(service, process)| (*service, process))
    }

    /// The process id of a service.
    pub fn pid(&self, service: Name) -> Result<u32> {
        let process = self.services.get(&service);
        Ok(process.with_context(|| format!("{service} was not started"))?.identity.pid)
    }

    /// Starts a service without waiting for it, in place of one that runs or has ended. `settings` are
    /// variables over the usual ones.
    pub fn launch(&mut self, service: Name, settings: &[(&str, &str)]) -> Result<()> {
        self.services.remove(&service);
        let mut variables = self.suite.configuration(service)?;
        token::expect_secret(&mut variables);
        for (protocol, server) in SERVERS {
            let Some(proxy) = self.proxies.get(&(service, protocol)) else { continue };
            let direct = format!("127.0.0.1:{}/", self.suite.ports.of(server)?);
            let proxied = format!("{}/", proxy.address);
            for (_, value) in &mut variables {
                *value = value.replace(&direct, &proxied);
            }
        }
        let own =
            self.settings.iter().filter(|(of, ..)| *of == service).map(|(_, name, value)| (*name, *value));
        let settings = own.chain(settings.iter().copied());
        variables.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.extend(self.variables.iter().cloned());
        let home = self.servers.home();
        let log = home.log(service);
        let launch = Launch::new(self.suite.plan.binary(self.binary(service)?)?, &log).envs(variables);
        let process = Process::start(service.to_string(), launch, &log, Some(self.port(service)?))?;
        // By this record the process is found and ended even after the harness itself was killed.
        Record { process: process.identity.clone() }.write(&home.run(), &process.name)?;
        self.services.insert(service, process);
        Ok(())
    }

    /// Starts a service and waits until it is ready.
    pub async fn start(&mut self, service: Name) -> Result<()> {
        self.launch(service, &[])?;
        self.service(service)?.until_ready().await
    }

    /// Kills a service without warning.
    pub fn kill(&mut self, service: Name) -> Result<()> {
        self.service(service)?.kill()
    }

    /// Signals a service, or a server with all its processes.
    pub fn signal(&self, name: Name, signal: Signal) -> Result<()> {
        let process = self.identity(name)?;
        ensure!(process.signal_with_children(signal)?, "{name} has ended by itself");
        Ok(())
    }

    /// Stops a service, if it was started.
    pub async fn stop(&mut self, service: Name) -> Result<()> {
        let Some(mut process) = self.services.remove(&service) else { return Ok(()) };
        let status = process.stop().await?;
        ensure!(status.success(), "{service} ended badly when asked to: {status}");
        Ok(())
    }

    /// Kills every service.
    pub fn kill_all(&mut self) {
        self.services.clear();
    }

    /// Runs exactly these services, with proxies that only pass on: stops what is left over, replaces what has
    /// ended, and waits until all are ready.
    pub async fn run_only(&mut self, wanted: &[Name]) -> Result<()> {
        self.proxies.values().for_each(Proxy::pass);
        let running: Vec<Name> = self.services.keys().copied().collect();
        for service in running.into_iter().filter(|service| !wanted.contains(service)) {
            self.stop(service).await?;
        }
        for service in wanted {
            let runs = match self.services.get_mut(service) {
                Some(process) => process.ended()?.is_none(),
                None => false,
            };
            if runs {
                self.service(*service)?.until_ready().await?;
            } else {
                self.start(*service).await?;
            }
        }
        Ok(())
    }

    /// Runs a command of the relay's operator tool to its end, with the relay's own configuration, and returns
    /// what it wrote.
    pub fn operate(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(self.suite.plan.binary("outbox-relay")?);
        command.args(args).envs(self.suite.configuration(Name::Relay(1))?).stdin(Stdio::null());
        let output =
            tokio::task::block_in_place(|| command.output()).context("cannot run the relay's tool")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "outbox-relay {} failed: {said}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether a process of this service was started, and not stopped.
    pub fn runs(&self, service: Name) -> bool {
        self.services.contains_key(&service)
    }

    /// The services of the shop.
    pub fn registry(&self) -> &Registry {
        &self.suite.registry
    }

    /// The database roles that services and relays serve with.
    pub fn serving_roles(&self) -> Vec<String> {
        let roles = |service: &shop::registry::Service| [Some(service.app()), service.relay()];
        self.registry().services.iter().flat_map(roles).flatten().collect()
    }

    /// The directory of this environment; removed with it.
    pub fn directory(&self) -> PathBuf {
        self.servers.home().dir().to_owned()
    }

    /// Where the processes' logs are.
    pub fn logs(&self) -> PathBuf {
        self.servers.home().logs()
    }

    /// The base address of a service's HTTP side.
    pub fn url(&self, service: Name) -> Result<String> {
        self.suite.url(service)
    }

    /// The port of a service's HTTP side.
    pub fn port(&self, service: Name) -> Result<u16> {
        self.suite.ports.of(service)
    }
}
