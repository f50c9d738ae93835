//! Starting one process and waiting until it is of use.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::home::{checkout, is_free};
use crate::http::{self, Readiness};
use crate::process::{Launch, Running, kill, wait_until};
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
    /// Starts a service, and waits until it says that it is ready.
    pub fn start_service(&self, name: Name, interrupt: &Interrupt) -> Result<Running> {
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
        let mut service = Running::start(name, launch, &log)?;
        service.record(&self.home)?;
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
        if let Err(error) = ready {
            kill(&service.process)?;
            let said = match answer {
                Readiness::NotReady(status, text) => format!(" and last said {status} {text}"),
                _ => String::new(),
            };
            return Err(
                error.context(format!("{name} did not become ready{said}; its log is {}", log.display()))
            );
        }
        Ok(service)
    }

    /// Starts PostgreSQL, and brings its databases and roles up to date.
    pub fn start_postgres(&self, tools: &Tools, interrupt: &Interrupt) -> Result<Running> {
        let port = self.ports.of(Name::Postgres)?;
        let server = Postgres::new(&tools.postgres, &self.place(), &self.home, port)?;
        let running = server.start(self.secrets.of("postgres")?, interrupt)?;
        provision(&tools.postgres, &self.registry, port, &self.secrets)?;
        Ok(running)
    }

    /// Starts RabbitMQ, all its nodes, with the registry's users and rights.
    pub fn start_rabbitmq(&self, tools: &Tools, interrupt: &Interrupt) -> Result<Vec<Running>> {
        self.cluster(tools)?.start(&self.registry, &self.secrets, interrupt)
    }

    /// Starts one node of RabbitMQ.
    pub fn start_node(&self, node: u8, tools: &Tools, interrupt: &Interrupt) -> Result<Running> {
        self.cluster(tools)?.start_node(node, &self.registry, &self.secrets, interrupt)
    }

    fn cluster(&self, tools: &Tools) -> Result<Cluster> {
        let nodes = self.plan.counts.brokers;
        Cluster::new(&tools.rabbitmq, &self.place(), &self.home, &self.ports, nodes)
    }

    fn place(&self) -> Place {
        Place { dir: self.plan.servers.clone(), purpose: Purpose::Keep }
    }
}
