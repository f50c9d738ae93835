//! A broker of one node or of several.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::definitions::{self, Part};
use super::{DIRECTORY, Rabbitmq, epmd, probe};
use crate::home::{Home, Ports, Secrets};
use crate::process::{self, Running, wait_until};
use crate::registry::Registry;
use crate::servers::{ErlangTools, Place};
use crate::terminal::Interrupt;

/// How long nodes that have started may take to see each other.
const MEETING: Duration = Duration::from_secs(30);

/// The nodes of one private broker, with a port mapper of their own.
#[derive(Debug)]
pub struct Cluster(Vec<Rabbitmq>);

impl Cluster {
    /// Describes the broker of this place. Nothing is created yet.
    pub fn new(tools: &ErlangTools, place: &Place, home: &Home, ports: &Ports, nodes: u8) -> Result<Self> {
        let each = (1..=nodes).map(|node| Rabbitmq::new(tools, place, home, ports, node, nodes));
        Ok(Self(each.collect::<Result<_>>()?))
    }

    /// The n-th node, from 1.
    pub fn node(&self, n: u8) -> Result<&Rabbitmq> {
        let index = usize::from(n).checked_sub(1);
        index.and_then(|index| self.0.get(index)).with_context(|| format!("the broker has no node {n}"))
    }

    /// The n-th node, ready to be started while others run.
    pub fn prepared(&self, n: u8, interrupt: &Interrupt) -> Result<&Rabbitmq> {
        let node = self.node(n)?;
        node.share_cookie()?;
        node.start_port_mapper(interrupt)?;
        Ok(node)
    }

    /// Whether a broker has left data in this place.
    pub fn has_data_in(place: &Path) -> bool {
        let data = place.join(DIRECTORY).join("data");
        fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Starts all nodes, also again, and waits until each answers. Together: a node whose predecessor was the last to end
    /// waits for it.
    pub fn start(
        &self,
        registry: &Registry,
        secrets: &Secrets,
        interrupt: &Interrupt,
    ) -> Result<Vec<Running>> {
        let first = self.prepared(1, interrupt)?;
        let started: Vec<Result<Running>> = thread::scope(|scope| {
            let start = |node: &'_ Rabbitmq| node.start(registry, secrets, interrupt);
            let nodes: Vec<_> = self.0.iter().map(|node| scope.spawn(move || start(node))).collect();
            // All are waited for before any may fail: nothing is to start any more when stopping begins.
            let join = |node: thread::ScopedJoinHandle<'_, _>| {
                node.join().unwrap_or_else(|_| bail!("the thread that started a node has panicked"))
            };
            nodes.into_iter().map(join).collect()
        });
        let (running, failed): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
        let running: Vec<Running> = running.into_iter().filter_map(Result::ok).collect();
        let complete = match failed.into_iter().find_map(Result::err) {
            Some(error) => Err(error),
            None => self.complete(registry, secrets, interrupt),
        };
        if let Err(error) = complete {
            running.iter().try_for_each(|node| process::kill(&node.process).map(drop))?;
            epmd::stop(&first.shared)?;
            return Err(error);
        }
        Ok(running)
    }

    /// Brings in what needs all nodes.
    fn complete(&self, registry: &Registry, secrets: &Secrets, interrupt: &Interrupt) -> Result<()> {
        if self.0.len() == 1 {
            return Ok(());
        }
        let all = definitions::with_passwords(registry, secrets, Part::All)?;
        let admin = secrets.of("broker_admin")?;
        let management = self.node(1)?.management;
        wait_until("the meeting of the broker's nodes", MEETING, interrupt, || {
            Ok((probe::running_nodes(management, admin) == Some(self.0.len())).then_some(()))
        })?;
        probe::import(management, admin, &all)
    }
}
