//! From nothing to ready, in order.

use std::fs;

use anyhow::{Context, Result};

use super::together;
use crate::cli::UpArgs;
use crate::home::{Home, Ports, Secrets, Service, Settled};
use crate::process::Running;
use crate::servers::{Place, Purpose, Tools};
use crate::suite::{Name, Suite};
use crate::terminal::{Interrupt, Progress};

/// Brings everything up. If that fails, what was started is stopped again.
pub(super) fn bring_up(
    args: &UpArgs,
    home: &Home,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<(Suite, Vec<Running>)> {
    let tools = Tools::find_or_install(progress, interrupt)?;
    let mut suite = settle(args, home, progress)?;
    match start_everything(&mut suite, args, &tools, progress, interrupt) {
        Ok(children) => Ok((suite, children)),
        Err(error) => {
            suite.stop(progress, interrupt).context("cannot stop what was started")?;
            Err(error)
        }
    }
}

/// Decides on ports, passwords and places, and writes them down before anything is started.
fn settle(args: &UpArgs, home: &Home, progress: &Progress) -> Result<Suite> {
    // Left behind if a command was killed while it stopped the suite.
    if home.stopping_mark().exists() {
        fs::remove_file(home.stopping_mark()).context("cannot remove the mark of an earlier stop")?;
    }
    let secrets = Secrets::load_or_create(home)?;
    let mut settled = Settled::load(home)?.unwrap_or_default();
    let known = Some(settled.servers.as_path()).filter(|dir| !dir.as_os_str().is_empty());
    settled.servers = Place::settle(home, known, Purpose::Keep)?.dir;
    settled.relays = args.relays;
    settled.save(home)?;

    let mut services: Vec<Service> = Name::all(args.relays).into_iter().map(Name::port).collect();
    services.extend([Service::Management, Service::Distribution, Service::PortMapper]);
    let before = Ports::load(home)?;
    let mut ports = before.clone();
    ports.settle(&services, 0)?;
    ports.save(home)?;
    for name in Name::all(args.relays) {
        let now = ports.of(name.port())?;
        if let Ok(port) = before.of(name.port())
            && port != now
        {
            progress.say(format!("  ! port {port} is taken: {name} is on {now} now"));
        }
    }
    Ok(Suite { home: home.clone(), settled, ports, secrets })
}

fn start_everything(
    suite: &mut Suite,
    args: &UpArgs,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Running>> {
    let mut children = together::build_and_start_servers(suite, args, tools, progress, interrupt)?;
    let suite = &*suite;

    for name in [Name::Catalog, Name::Basket] {
        let what = format!("migrating {name}'s database");
        progress.during(
            &what,
            |_| suite.migrate(name, interrupt),
            |()| format!("{name}'s database is up to date"),
        )?;
    }
    progress.during(
        "seeding the catalog",
        |_| suite.seed(interrupt),
        |()| "the catalog has its products".to_owned(),
    )?;
    for name in Name::services(args.relays) {
        let url = suite.url(name.port())?;
        let started = progress.during(
            &format!("starting {name}"),
            |_| suite.start_service(name, interrupt),
            |running| format!("{name} is ready on {url} (pid {})", running.process.pid),
        )?;
        children.push(started);
    }
    suite.env_file()?.save(&suite.home)?;
    Ok(children)
}
