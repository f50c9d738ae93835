//! Erlang's port mapper, one for each broker of ours.
//!
//! Erlang would start one by itself, as a daemon that outlives the broker. Started here it is known, and
//! goes when the broker goes.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Rabbitmq;
use crate::process::{Launch, Record, kill, wait_until};
use crate::registry::Name;
use crate::terminal::Interrupt;

/// Its name in the record, which lies with the broker's files: for the user it is part of the broker.
const NAME: &str = "epmd";

impl Rabbitmq {
    /// Starts the port mapper unless it runs, and waits until it listens.
    pub(super) fn start_port_mapper(&self, interrupt: &Interrupt) -> Result<()> {
        if Record::read(&self.shared, NAME)?.is_some_and(|record| record.process.is_alive()) {
            return Ok(());
        }
        let launch = Launch::new(&self.tools.epmd, &self.home.log(Name::RABBITMQ))
            .args(["-address", "127.0.0.1", "-port", &self.port_mapper.to_string()])
            .envs([("HOME", self.shared.as_os_str())])
            .directory(&self.shared)
            .run_as(self.user);
        let (_child, process) = launch.start()?;
        Record { process }.write(&self.shared, NAME)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port_mapper));
        wait_until("the start of Erlang's port mapper", Duration::from_secs(10), interrupt, || {
            Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok().then_some(()))
        })
    }
}

/// Ends the port mapper of the broker in this directory, if it runs.
pub(super) fn stop(dir: &Path) -> Result<()> {
    if let Some(record) = Record::read(dir, NAME)? {
        // It has nothing to save, and takes no notice of SIGTERM.
        kill(&record.process)?;
        Record::remove(dir, NAME)?;
    }
    Ok(())
}
