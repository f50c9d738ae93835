//! A PostgreSQL and a RabbitMQ for one run of something, away from every suite that is up.

mod leftovers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use anyhow::{Result, bail};

use crate::home::{Home, Plan, Port, Ports, Secrets, create_dir, random};
use crate::process::Running;
use crate::registry::{Counts, Name, Registry};
use crate::servers::{Cluster, Place, Postgres, Purpose, Rabbitmq, Tools, is_open_to_all, provision};
use crate::suite::Suite;
use crate::terminal::{self, Interrupt};

/// How far above a running suite's ports those of a private run begin. Servers that are to be killed are
/// away from those of tests, to whom the port of a server that is down would look free.
const fn offset(purpose: Purpose) -> u16 {
    match purpose {
        Purpose::Test => 1000,
        Purpose::Keep => 3000,
    }
}

/// How many this process has started.
static STARTED: AtomicU16 = AtomicU16::new(0);

/// Both servers in a directory of their own. Dropping it ends them and removes the directory.
pub struct PrivateServers {
    home: Home,
    ports: Ports,
    secrets: Secrets,
    registry: Registry,
    tools: Tools,
    purpose: Purpose,
    /// How many nodes the broker has.
    brokers: u8,
}

impl PrivateServers {
    /// Starts both, and creates the suite's roles and databases. `further` are processes that get a
    /// port too; further nodes of the broker among them make it a cluster. Servers of runs that were themselves killed are ended and removed first.
    pub fn start(
        registry: &Registry,
        tools: &Tools,
        purpose: Purpose,
        further: &[Name],
        interrupt: &Interrupt,
    ) -> Result<Self> {
        leftovers::clear()?;
        let home = Home::at(&directory()?);
        home.create()?;
        leftovers::own(&home)?;
        let mut ports = Ports::default();
        let processes = [Name::Postgres, Name::RABBITMQ].into_iter().chain(further.iter().copied());
        let listeners = Port::of_all(registry, processes);
        // Somewhere in the range, so that two runs that begin at the same moment rarely look at the same ports;
        // and next to others of this process, whose ports look free while their servers are down.
        let turn = u16::try_from(std::process::id() % 40)?;
        let others = STARTED.fetch_add(1, Ordering::Relaxed) % 10;
        ports.assign(registry, &listeners, offset(purpose) + turn * 10 + others)?;
        // From here on, whatever fails, the servers end with this value.
        let (secrets, registry, tools) = (Secrets::create(registry)?, registry.clone(), tools.clone());
        let brokers = further.iter().filter(|name| name.is_broker()).count();
        let brokers = u8::try_from(brokers)? + 1;
        let servers = Self { home, ports, secrets, registry, tools, purpose, brokers };
        servers.start_both(interrupt)?;
        Ok(servers)
    }

    fn start_both(&self, interrupt: &Interrupt) -> Result<()> {
        create_dir(&self.place().dir, 0o711)?;
        thread::scope(|scope| {
            let broker = scope.spawn(|| self.rabbitmq()?.start(&self.registry, &self.secrets, interrupt));
            let database = self.start_postgres(interrupt);
            // Both are waited for before either may fail: nothing is to start any more when stopping begins.
            let broker =
                broker.join().unwrap_or_else(|_| bail!("the thread that started RabbitMQ has panicked"));
            database.and(broker.map(drop))
        })?;
        provision(&self.tools.postgres, &self.registry, self.ports.of(Name::Postgres)?, &self.secrets)
    }

    /// Starts PostgreSQL, also again after it was ended, and waits until it answers.
    pub fn start_postgres(&self, interrupt: &Interrupt) -> Result<Running> {
        let port = self.ports.of(Name::Postgres)?;
        let server = Postgres::new(&self.tools.postgres, &self.place(), &self.home, port)?;
        server.start(self.secrets.of("postgres")?, interrupt)
    }

    /// Starts a node of RabbitMQ, also again after it was ended, and waits until it answers.
    pub fn start_rabbitmq(&self, node: u8, interrupt: &Interrupt) -> Result<Running> {
        self.rabbitmq()?.prepared(node, interrupt)?.start(&self.registry, &self.secrets, interrupt)
    }

    /// The broker of this run.
    pub fn rabbitmq(&self) -> Result<Cluster> {
        Cluster::new(&self.tools.rabbitmq, &self.place(), &self.home, &self.ports, self.brokers)
    }

    /// A suite of these programs on these servers, with one relay. Nothing of it runs yet.
    pub fn suite(&self, binaries: BTreeMap<String, PathBuf>) -> Suite {
        Suite {
            home: self.home.clone(),
            registry: self.registry.clone(),
            plan: Plan {
                counts: Counts { brokers: self.brokers, ..Counts::default() },
                binaries,
                ..Plan::default()
            },
            ports: self.ports.clone(),
            secrets: self.secrets.clone(),
        }
    }

    /// The directory of this run.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The ports of this run.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The passwords of this run.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Where tests find them: the superuser and the administrator, who may create databases and vhosts.
    pub fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let postgres = self.ports.of(Name::Postgres)?;
        let admin = self.secrets.of("broker_admin")?;
        let amqp = self.ports.of(Name::RABBITMQ)?;
        let management = self.ports.of(Port::Management(1))?;
        Ok(vec![
            ("DATABASE_URL", Postgres::url(postgres, "postgres", self.secrets.of("postgres")?, "postgres")),
            ("AMQP_URL", Rabbitmq::url(amqp, "admin", admin)),
            ("RABBITMQ_MANAGEMENT_URL", Rabbitmq::management_url(management, admin)),
        ])
    }

    fn place(&self) -> Place {
        Place { dir: self.home.dir().join("servers"), purpose: self.purpose }
    }
}

impl Drop for PrivateServers {
    fn drop(&mut self) {
        if let Err(error) = leftovers::remove(&self.home) {
            terminal::complain(format!("  ! {}: {error:#}", self.home.dir().display()));
        }
    }
}

/// A new name in the directory for temporary files, if PostgreSQL's user can get there.
fn directory() -> Result<PathBuf> {
    let chosen = std::env::temp_dir();
    let parent = if is_open_to_all(&chosen) { chosen } else { PathBuf::from("/var/tmp") };
    Ok(parent.join(format!("{}{}", leftovers::PREFIX, &random()?[..12])))
}
