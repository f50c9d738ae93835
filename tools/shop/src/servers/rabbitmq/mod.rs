//! A private RabbitMQ.

mod control;
mod definitions;
mod epmd;
mod files;
mod probe;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::user::server_user;
use super::{ErlangTools, Place};
use crate::home::{Home, Port, Ports, Secrets};
use crate::process::{self, Launch, RunAs, Running, wait_until};
use crate::registry::{Name, Registry};
use crate::terminal::Interrupt;

/// How long it may take to start: seconds on an idle machine, a minute beside a build.
const PATIENCE: Duration = Duration::from_secs(150);

/// Its directory within the place.
const DIRECTORY: &str = "rabbitmq";

/// The vhost that everything of the suite is in.
const VHOST: &str = "shop";

/// One private broker, with a port mapper of its own, all on loopback.
#[derive(Debug)]
pub struct Rabbitmq {
    tools: ErlangTools,
    dir: PathBuf,
    home: Home,
    amqp: u16,
    management: u16,
    distribution: u16,
    port_mapper: u16,
    user: Option<RunAs>,
}

impl Rabbitmq {
    /// Describes the broker of this place. Nothing is created yet.
    pub fn new(tools: &ErlangTools, place: &Place, home: &Home, ports: &Ports) -> Result<Self> {
        Ok(Self {
            tools: tools.clone(),
            dir: place.dir.join(DIRECTORY),
            home: home.clone(),
            amqp: ports.of(Name::Rabbitmq)?,
            management: ports.of(Port::Management)?,
            distribution: ports.of(Port::Distribution)?,
            port_mapper: ports.of(Port::PortMapper)?,
            user: server_user("rabbitmq")?,
        })
    }

    /// Starts it with the registry's users and rights, and waits until it answers as broker and as management interface.
    pub fn start(&self, registry: &Registry, secrets: &Secrets, interrupt: &Interrupt) -> Result<Running> {
        self.write_files(&definitions::with_passwords(registry, secrets)?)?;
        self.start_port_mapper(interrupt)?;

        let log = self.home.log(Name::Rabbitmq);
        let launch = Launch::new(&self.tools.server, &log)
            .envs(self.environment())
            .directory(&self.dir)
            .run_as(self.user);
        let admin = secrets.of("broker_admin")?;
        let mut broker = Running::start(Name::Rabbitmq, launch, &log)?;
        broker.record(&self.home)?;
        let ready = wait_until("RabbitMQ's start", PATIENCE, interrupt, || {
            broker.must_run()?;
            let is_up = probe::speaks_amqp(self.amqp) && probe::has_vhost(self.management, admin);
            Ok(is_up.then_some(()))
        });
        if let Err(error) = ready {
            process::kill(&broker.process)?;
            epmd::stop(&self.dir)?;
            return Err(error);
        }
        Ok(broker)
    }

    /// What a client connects to, as the administrator `admin` or one of the lesser users.
    pub fn url(port: u16, user: &str, password: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{port}/{VHOST}")
    }

    /// The management interface with the administrator's name and password.
    pub fn management_url(port: u16, password: &str) -> String {
        format!("http://admin:{password}@127.0.0.1:{port}")
    }

    /// Ends the port mapper of the broker in this place, if it runs.
    pub fn stop_port_mapper_in(place: &Path) -> Result<()> {
        epmd::stop(&place.join(DIRECTORY))
    }

    /// Whether a broker answers on this port.
    pub fn answers(port: u16) -> bool {
        probe::speaks_amqp(port)
    }
}
