//! Starting one process and waiting until it is of use.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::home::{checkout, is_free};
use crate::http::{self, Readiness};
use crate::process::{Launch, Running, wait_until};
use crate::registry::Name;
use crate::servers::{Cluster, Place, Postgres, Purpose, Tools, provision};
use crate::suite::Suite;
use crate::terminal::Interrupt;

/// How long a service may take until it is ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long its predecessor may take to leave its port.
const FREED: Duration = Duration::from_secs(2);

/// The pause after an answer that says "not yet".
const BETWEEN_REQUESTS: Duration = Duration::from_millis(150);

impl Suite {
    /// Starts a service, and waits until it says that it is ready; one that does not become ready is killed.
    pub fn start_service(&self, name: Name, interrupt: &Interrupt) -> Result<Running> {
        let service = self.launch_service(name, interrupt)?;
        service.or_killed(|service| self.await_service(service, interrupt))
    }

    /// Starts one process of a suite that is up, and waits until it is of use. `recorded` is called as soon as it is recorded
    /// as one that should run: it may wait for others, which other commands start. PostgreSQL waits for no other process,
    /// and is provisioned once it answers: for it `recorded` is called last. One that is not of use in time goes on.
    ///
    /// `tools` finds the programs of a server.
    pub fn start_alone(
        &self,
        name: Name,
        tools: &dyn Fn() -> Result<Tools>,
        interrupt: &Interrupt,
        recorded: impl FnOnce(),
    ) -> Result<Running> {
        match name {
            Name::Postgres => {
                let tools = tools()?;
                let server = self.postgres(&tools)?;
                let mut running = server.launch(self.secrets.of("postgres")?)?;
                server.await_ready(&mut running, interrupt)?;
                self.provision(&tools)?;
                recorded();
                Ok(running)
            }
            Name::Rabbitmq(node) => {
                let cluster = self.cluster(&tools()?)?;
                let node = cluster.prepared(node, interrupt)?;
                let mut running = node.launch(&self.registry, &self.secrets)?;
                recorded();
                node.await_ready(&mut running, &self.secrets, interrupt)?;
                Ok(running)
            }
            _ => {
                let mut running = self.launch_service(name, interrupt)?;
                recorded();
                self.await_service(&mut running, interrupt)?;
                Ok(running)
            }
        }
    }

    /// Starts a service, and records it as one that should run.
    fn launch_service(&self, name: Name, interrupt: &Interrupt) -> Result<Running> {
        let program = self.registry.program(name).context("a server is not a service")?;
        let log = self.home.log(name);
        let launch = Launch::new(self.plan.binary(&program.binary)?, &log)
            .envs(self.configuration(name)?)
            .directory(&checkout());
        let port = self.ports.of(name)?;
        // Whoever has it would be taken for the service.
        wait_until("the wait for it", FREED, interrupt, || Ok(is_free(port).then_some(()))).with_context(
            || {
                format!(
                    "port {port} of {name} is taken: cargo shop down, then cargo shop up gives it another"
                )
            },
        )?;
        let service = Running::start(name, launch, &log)?;
        service.record(&self.home)?;
        Ok(service)
    }

    /// Waits until a service says that it is ready.
    fn await_service(&self, service: &mut Running, interrupt: &Interrupt) -> Result<()> {
        let (name, port) = (service.name, self.ports.of(service.name)?);
        let mut answer = Readiness::NoAnswer;
        let ready = wait_until(&format!("{name}'s start"), PATIENCE, interrupt, || {
            service.must_run()?;
            answer = http::readiness(port);
            if let Readiness::NotReady(..) = answer {
                // Each early request is a line in its log.
                std::thread::sleep(BETWEEN_REQUESTS);
            }
            Ok((answer == Readiness::Ready).then_some(()))
        });
        ready.with_context(|| {
            let said = match answer {
                Readiness::NotReady(status, text) => format!(" and last said {status} {text}"),
                _ => String::new(),
            };
            format!("{name} did not become ready{said}; its log is {}", self.home.log(name).display())
        })
    }

    /// Starts PostgreSQL, and brings its databases and roles up to date.
    pub fn start_postgres(&self, tools: &Tools, interrupt: &Interrupt) -> Result<Running> {
        let running = self.postgres(tools)?.start(self.secrets.of("postgres")?, interrupt)?;
        self.provision(tools)?;
        Ok(running)
    }

    fn postgres(&self, tools: &Tools) -> Result<Postgres> {
        Postgres::new(&tools.postgres, &self.place(), &self.home, self.ports.of(Name::Postgres)?)
    }

    fn provision(&self, tools: &Tools) -> Result<()> {
        provision(&tools.postgres, &self.registry, self.ports.of(Name::Postgres)?, &self.secrets)
    }

    /// Starts RabbitMQ, all its nodes, with the registry's users and rights.
    pub fn start_rabbitmq(&self, tools: &Tools, interrupt: &Interrupt) -> Result<Vec<Running>> {
        self.cluster(tools)?.start(&self.registry, &self.secrets, interrupt)
    }

    fn cluster(&self, tools: &Tools) -> Result<Cluster> {
        let nodes = self.plan.counts.brokers;
        Cluster::new(&tools.rabbitmq, &self.place(), &self.home, &self.ports, nodes)
    }

    fn place(&self) -> Place {
        Place { dir: self.plan.servers.clone(), purpose: Purpose::Keep }
    }
}
