//! `cargo shop fuzz`.

mod code;
mod schemathesis;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::FuzzArgs;
use crate::home::{Service, Settled, checkout};
use crate::private::PrivateServers;
use crate::servers::{Purpose, Tools};
use crate::suite::{Name, Suite, build};
use crate::terminal::{self, Interrupt, Progress};

use schemathesis::Schemathesis;

/// What is fuzzed, in this order: who is asked by others comes first.
const SERVICES: [(Name, Service); 3] =
    [(Name::Catalog, Service::Catalog), (Name::Relay(1), Service::Relay(1)), (Name::Basket, Service::Basket)];

/// Fuzzes the code that was named, else the services. The exit code is 1 when something was found.
pub(super) fn run(args: &FuzzArgs) -> Result<ExitCode> {
    let is_well =
        if args.targets.is_empty() { services(args)? } else { code::run(&args.targets, args.minutes)? };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the services on servers of their own, and asks everything of them that their documents allow and
/// forbid; whether every answer was as documented.
fn services(args: &FuzzArgs) -> Result<bool> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new();
    let tools = Tools::find_or_install(&progress, &interrupt)?;
    let tool = Schemathesis::find_or_install(&progress)?;
    let binaries = progress.hold(|| build(&checkout(), false, &interrupt))?;
    let ports = SERVICES.map(|(_, port)| port);
    let servers = progress.during(
        "starting PostgreSQL and RabbitMQ to fuzz the services on",
        |_| PrivateServers::start(&tools, Purpose::Test, &ports, &interrupt),
        |_| "PostgreSQL and RabbitMQ are ready".to_owned(),
    )?;
    let suite = Suite {
        home: servers.home().clone(),
        settled: Settled { relays: 1, binaries, servers: PathBuf::new() },
        ports: servers.ports().clone(),
        secrets: servers.secrets().clone(),
    };
    suite.migrate(Name::Catalog, &interrupt)?;
    suite.migrate(Name::Basket, &interrupt)?;
    suite.seed(&interrupt)?;
    let mut running = Vec::new();
    for (name, _) in SERVICES {
        running.push(suite.start_service(name, &interrupt)?);
    }

    let mut is_well = true;
    for (name, port) in SERVICES {
        terminal::say(format!("\n== {name}"));
        is_well &= tool.fuzz(&suite.url(port)?, args.cases, args.seed)?;
        interrupt.check()?;
    }
    for service in &mut running {
        service.must_run()?;
    }
    Ok(is_well)
}
