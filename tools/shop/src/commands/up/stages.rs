//! From nothing to ready, in order.

use std::fs;

use anyhow::{Context, Result, bail};

use super::build_and_start;
use crate::cli::UpArgs;
use crate::home::{Home, Plan, Port, Ports, Secrets};
use crate::process::Running;
use crate::registry::{Counts, Registry};
use crate::servers::{Cluster, Place, Tools};
use crate::suite::Suite;
use crate::terminal::{Interrupt, Progress};

/// Brings everything up. If that fails, what was started is stopped again.
pub(super) fn bring_up(
    args: &UpArgs,
    home: &Home,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<(Suite, Vec<Running>)> {
    let tools = Tools::find_or_install(&args.servers, progress, interrupt)?;
    let mut suite = decide(args, home, progress)?;
    match start_everything(&mut suite, args, &tools, progress, interrupt) {
        Ok(children) => Ok((suite, children)),
        Err(error) => {
            if let Err(also) = suite.stop(progress, interrupt) {
                progress.say(format!("  ! cannot stop what was started: {also:#}"));
            }
            Err(error)
        }
    }
}

/// Decides on ports, passwords and places, and writes them down before anything is started.
fn decide(args: &UpArgs, home: &Home, progress: &Progress) -> Result<Suite> {
    // Left behind if a command was killed while it stopped the suite.
    if home.stopping_mark().exists() {
        fs::remove_file(home.stopping_mark()).context("cannot remove the mark of an earlier stop")?;
    }
    let registry = Registry::of_checkout()?;
    let secrets = Secrets::load_or_create(home, &registry)?;
    let mut plan = Plan::load(home)?.unwrap_or_default();
    let known = Some(plan.servers.as_path()).filter(|dir| !dir.as_os_str().is_empty());
    plan.servers = Place::choose(home, known)?;
    let brokers = nodes(args.brokers, &plan)?;
    plan.counts = Counts { brokers, relays: args.relays, baskets: args.baskets };
    home.dir().clone_into(&mut plan.home);
    plan.save(home)?;

    let names = registry.processes(plan.counts);
    let listeners = Port::of_all(&registry, names.iter().copied());
    let before = Ports::load(home)?;
    let mut ports = before.clone();
    ports.assign(&registry, &listeners, 0)?;
    ports.save(home)?;
    for name in names {
        let now = ports.of(name)?;
        if let Ok(port) = before.of(name)
            && port != now
        {
            progress.say(format!("  ! port {port} is taken: {name} is on {now} now"));
        }
    }
    Ok(Suite { home: home.clone(), registry, plan, ports, secrets })
}

/// How many nodes the broker gets: as many as its data is on, which nodes cannot leave or join by being counted.
fn nodes(asked: Option<u8>, plan: &Plan) -> Result<u8> {
    let there = plan.counts.brokers;
    match asked {
        Some(asked) if asked != there && Cluster::has_data_in(&plan.servers) => bail!(
            "this shop's data is on {there} broker(s): cargo shop reset clears it, or leave --brokers {asked} out"
        ),
        Some(asked) => Ok(asked),
        None if Cluster::has_data_in(&plan.servers) => Ok(there),
        None => Ok(1),
    }
}

fn start_everything(
    suite: &mut Suite,
    args: &UpArgs,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Running>> {
    let mut children = build_and_start::build_and_start_servers(suite, args, tools, progress, interrupt)?;
    let suite = &*suite;

    for service in &suite.registry.services {
        let name = service.name;
        progress.during(
            &format!("migrating the database of {name}"),
            |_| suite.migrate(service, interrupt),
            |()| format!("the database of {name} is up to date"),
        )?;
        if service.seeds {
            progress.during(
                &format!("seeding the database of {name}"),
                |_| suite.seed(service, interrupt),
                |()| format!("the database of {name} has its first data"),
            )?;
        }
    }
    for name in suite.registry.programs(suite.plan.counts) {
        let url = suite.url(name)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::create_dir;

    #[test]
    fn a_shop_keeps_the_number_of_brokers_that_its_data_is_on() {
        let place = tempfile::tempdir().unwrap();
        let mut plan = Plan { servers: place.path().to_owned(), ..Plan::default() };
        plan.counts.brokers = 3;
        let asked = |asked| nodes(asked, &plan).map_err(|error| error.to_string());
        assert_eq!((asked(None), asked(Some(1)), asked(Some(3))), (Ok(1), Ok(1), Ok(3)), "without data");

        create_dir(&place.path().join("rabbitmq/data/shop@localhost"), 0o700).unwrap();
        assert_eq!((asked(None), asked(Some(3))), (Ok(3), Ok(3)));
        let refused = asked(Some(1)).unwrap_err();
        assert!(refused.contains("is on 3 broker(s)") && refused.contains("cargo shop reset"), "{refused}");
    }
}
