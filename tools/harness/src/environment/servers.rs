//! Breaking the servers themselves.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use shop::{
    process::{Ending, Identity, Record, end, kill},
    registry::Name,
    servers::{Postgres, Rabbitmq},
};

use tokio::time::Instant;

use super::Environment;

/// How long a server may take to end when it is asked to.
const LIMIT: Duration = Duration::from_secs(40);

/// How long a server's port may stay closed after its start.
const OPENING: Duration = Duration::from_secs(150);

impl Environment {
    /// Kills a server without warning, and waits until it is gone.
    pub fn kill_server(&self, name: Name) -> Result<()> {
        let server = self.identity(name)?;
        kill(&server)?;
        reap(&server)
    }

    /// Has a server end as an operator would, and waits until it has.
    pub fn stop_server(&self, name: Name) -> Result<()> {
        let signal = if name == Name::Postgres { Signal::INT } else { Signal::TERM };
        let server = self.identity(name)?;
        let ending = tokio::task::block_in_place(|| end(&server, signal, LIMIT, &self.interrupt))?;
        reap(&server)?;
        anyhow::ensure!(ending == Ending::Clean, "{name} did not end when asked to");
        Ok(())
    }

    /// Starts a server again, and waits until it answers.
    pub fn start_server(&self, name: Name) -> Result<()> {
        let start = || match name {
            Name::Postgres => self.servers.start_postgres(&self.interrupt),
            Name::Rabbitmq(node) => self.servers.start_rabbitmq(node, &self.interrupt),
            _ => anyhow::bail!("{name} is not a server"),
        };
        tokio::task::block_in_place(start).map(drop)
    }

    /// Starts a server again; the moment from which it can be used: RabbitMQ when its port opens, PostgreSQL,
    /// whose port opens before it has recovered, when it takes sessions.
    pub fn start_server_and_watch(&self, name: Name) -> Result<Instant> {
        if name == Name::Postgres {
            self.start_server(name)?;
            return Ok(Instant::now());
        }
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let deadline = Instant::now() + OPENING;
                while Instant::now() < deadline && !self.listens(name).unwrap_or(false) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Instant::now()
            });
            self.start_server(name)?;
            opened.join().ok().context("the thread that waits for the port has panicked")
        })
    }

    /// Whether a server's port is open.
    pub fn listens(&self, name: Name) -> Result<bool> {
        Ok(match name {
            Name::Postgres => Postgres::answers(self.servers.ports().of(name)?),
            _ => Rabbitmq::answers(self.servers.ports().of(name)?),
        })
    }

    /// A server's process, and its children.
    pub fn processes_of(&self, name: Name) -> Result<Vec<Identity>> {
        let server = self.identity(name)?;
        let children = server.children();
        Ok([server].into_iter().chain(children).collect())
    }

    /// All servers: PostgreSQL and the nodes of the broker.
    pub fn all_servers(&self) -> Vec<Name> {
        [Name::Postgres].into_iter().chain((1..=self.options.brokers).map(Name::Rabbitmq)).collect()
    }

    /// Runs `rabbitmqctl` on the broker.
    pub fn control_broker(&self, args: &[&str]) -> Result<String> {
        self.control_node(1, args)
    }

    /// Runs `rabbitmqctl` on a node of the broker.
    pub fn control_node(&self, node: u8, args: &[&str]) -> Result<String> {
        tokio::task::block_in_place(|| self.servers.rabbitmq()?.node(node)?.control(args))
    }

    /// The process of a server, or of a service that was started, as its record has it.
    pub(super) fn identity(&self, name: Name) -> Result<Identity> {
        let record = Record::read(&self.servers.home().run(), &name.to_string())?;
        Ok(record.with_context(|| format!("{name} has no record"))?.process)
    }
}

/// Reaps an ended child: PostgreSQL does not start beside a predecessor that still has its number.
fn reap(server: &Identity) -> Result<()> {
    let pid = i32::try_from(server.pid).ok().and_then(Pid::from_raw).context("not a process id")?;
    match waitpid(Some(pid), WaitOptions::empty()) {
        Ok(_) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(error) => Err(error).context("cannot wait for a server that has ended"),
    }
}
