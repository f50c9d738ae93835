//! The servers of one test run.

use std::path::PathBuf;
use std::thread;

use anyhow::{Result, bail};

use super::leftovers;
use crate::home::{BROKER_DEFINITIONS, Home, Ports, Secrets, Service, checkout, create_dir, random};
use crate::servers::{Place, Postgres, Purpose, Rabbitmq, Tools, is_open_to_all, provision};
use crate::terminal::{self, Interrupt};

/// How far above a running suite's ports a test run's begin.
const OFFSET: u16 = 1000;

/// A PostgreSQL and a RabbitMQ in a directory of their own. Dropping it ends them and removes the directory.
pub(super) struct TestServers {
    home: Home,
    ports: Ports,
    secrets: Secrets,
}

impl TestServers {
    /// Starts both, and creates the suite's roles and databases.
    pub(super) fn start(tools: &Tools, interrupt: &Interrupt) -> Result<Self> {
        let home = Home::at(&directory()?);
        home.create()?;
        leftovers::own(&home)?;
        let mut ports = Ports::default();
        let services = [
            Service::Postgres,
            Service::Amqp,
            Service::Management,
            Service::Distribution,
            Service::PortMapper,
        ];
        // Somewhere in the range, so that two runs that begin at the same moment rarely look at the same ports.
        let turn = u16::try_from(std::process::id() % 40)?;
        ports.settle(&services, OFFSET + turn * 10)?;
        // From here on, whatever fails, the servers end with this value.
        let servers = Self { home, ports, secrets: Secrets::create()? };
        servers.start_both(tools, interrupt)?;
        Ok(servers)
    }

    fn start_both(&self, tools: &Tools, interrupt: &Interrupt) -> Result<()> {
        let place = Place { dir: self.home.dir().join("servers"), purpose: Purpose::Test };
        create_dir(&place.dir, 0o711)?;
        let definitions = std::fs::read_to_string(checkout().join(BROKER_DEFINITIONS))?;
        let port = self.ports.of(Service::Postgres)?;
        let postgres = Postgres::new(&tools.postgres, &place, &self.home, port)?;
        let rabbitmq = Rabbitmq::new(&tools.rabbitmq, &place, &self.home, &self.ports)?;
        thread::scope(|scope| {
            let broker = scope.spawn(|| rabbitmq.start(&definitions, &self.secrets, interrupt));
            let database = postgres.start(&self.secrets.postgres, interrupt);
            // Both are waited for before either may fail: nothing is to start any more when stopping begins.
            let broker =
                broker.join().unwrap_or_else(|_| bail!("the thread that started RabbitMQ has panicked"));
            database.and(broker)
        })?;
        provision(&tools.postgres, &checkout(), port, &self.secrets)
    }

    /// Where tests find them: the superuser and the administrator, who may create databases and vhosts.
    pub(super) fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let postgres = self.ports.of(Service::Postgres)?;
        let amqp = self.ports.of(Service::Amqp)?;
        let management = self.ports.of(Service::Management)?;
        Ok(vec![
            ("DATABASE_URL", Postgres::url(postgres, "postgres", &self.secrets.postgres, "postgres")),
            ("AMQP_URL", Rabbitmq::url(amqp, "admin", &self.secrets.broker_admin)),
            ("RABBITMQ_MANAGEMENT_URL", Rabbitmq::management_url(management, &self.secrets.broker_admin)),
        ])
    }
}

impl Drop for TestServers {
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
