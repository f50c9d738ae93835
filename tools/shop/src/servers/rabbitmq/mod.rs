//! A private RabbitMQ.

mod cluster;
mod control;
mod definitions;
mod epmd;
mod files;
mod probe;

pub use cluster::Cluster;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use self::definitions::Part;
use super::user::server_user;
use super::{ErlangTools, Place};
use crate::home::{Home, Port, Ports, Secrets};
use crate::process::{Launch, RunAs, Running, wait_until};
use crate::registry::{Name, Registry};
use crate::terminal::Interrupt;

/// How long it may take to start: seconds on an idle machine, a minute beside a build.
const PATIENCE: Duration = Duration::from_secs(150);

/// Its directory within the place.
const DIRECTORY: &str = "rabbitmq";

/// The vhost that everything of the suite is in.
const VHOST: &str = "shop";

/// One node of a private broker, which may be its only one. All is on loopback.
#[derive(Debug)]
pub struct Rabbitmq {
    tools: ErlangTools,
    /// Its number, from 1, and how many there are.
    node: u8,
    nodes: u8,
    /// The directory of its files.
    dir: PathBuf,
    /// That of the first node, with what all share: the cookie and the port mapper.
    shared: PathBuf,
    home: Home,
    amqp: u16,
    management: u16,
    distribution: u16,
    port_mapper: u16,
    user: Option<RunAs>,
}

impl Rabbitmq {
    /// Describes the n-th of so many nodes of this place. Nothing is created yet.
    fn new(
        tools: &ErlangTools,
        place: &Place,
        home: &Home,
        ports: &Ports,
        node: u8,
        nodes: u8,
    ) -> Result<Self> {
        let name = Name::Rabbitmq(node);
        Ok(Self {
            tools: tools.clone(),
            node,
            nodes,
            dir: place.dir.join(name.to_string()),
            shared: place.dir.join(DIRECTORY),
            home: home.clone(),
            amqp: ports.of(name)?,
            management: ports.of(Port::Management(node))?,
            distribution: ports.of(Port::Distribution(node))?,
            port_mapper: ports.of(Port::PortMapper)?,
            user: server_user("rabbitmq")?,
        })
    }

    /// Starts it with the registry's users and rights, and waits until it answers as broker and as management interface.
    pub fn start(&self, registry: &Registry, secrets: &Secrets, interrupt: &Interrupt) -> Result<Running> {
        let broker = self.launch(registry, secrets)?;
        broker.or_killed(|broker| self.await_ready(broker, secrets, interrupt))
    }

    /// Starts it with the registry's users and rights, and records it as one that should run.
    pub fn launch(&self, registry: &Registry, secrets: &Secrets) -> Result<Running> {
        let (name, part) = (Name::Rabbitmq(self.node), Part::of(self.nodes));
        self.write_files(&definitions::with_passwords(registry, secrets, part)?)?;

        let log = self.home.log(name);
        let launch = Launch::new(&self.tools.server, &log)
            .envs(self.environment())
            .directory(&self.dir)
            .run_as(self.user);
        let broker = Running::start(name, launch, &log)?;
        broker.record(&self.home)?;
        Ok(broker)
    }

    /// Waits until a node that was launched answers as broker and as management interface.
    pub fn await_ready(&self, broker: &mut Running, secrets: &Secrets, interrupt: &Interrupt) -> Result<()> {
        let admin = secrets.of("broker_admin")?;
        wait_until(&format!("the start of {}", broker.name), PATIENCE, interrupt, || {
            broker.must_run()?;
            let is_up = probe::speaks_amqp(self.amqp) && probe::has_vhost(self.management, admin);
            Ok(is_up.then_some(()))
        })
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
