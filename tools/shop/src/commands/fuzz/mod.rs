//! `cargo shop fuzz`.

mod code;
mod schemathesis;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::FuzzArgs;
use crate::home::checkout;
use crate::private::PrivateServers;
use crate::registry::{Counts, Name, Registry};
use crate::servers::{Choice, Purpose, Tools};
use crate::suite::build;
use crate::terminal::{self, Interrupt, Progress};

use schemathesis::Schemathesis;

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
    let tools = Tools::find_or_install(&Choice::of_the_environment(), &progress, &interrupt)?;
    let tool = Schemathesis::find_or_install(&progress)?;
    let binaries = progress.hold(|| build(&checkout(), false, &interrupt))?;
    let registry = Registry::of_checkout()?;
    let mut fuzzed = registry.programs(Counts::default());
    fuzzed.retain(|name| *name != Name::Storefront);
    let servers = progress.during(
        "starting PostgreSQL and RabbitMQ to fuzz the services on",
        |_| PrivateServers::start(&registry, &tools, Purpose::Test, &fuzzed, &interrupt),
        |_| "PostgreSQL and RabbitMQ are ready".to_owned(),
    )?;
    let suite = servers.suite(binaries);
    suite.prepare(&interrupt)?;
    let mut running = Vec::new();
    for &name in &fuzzed {
        running.push(suite.start_service(name, &interrupt)?);
    }

    let mut is_well = true;
    // They only stand for something else.
    fuzzed.retain(|name| !matches!(name, Name::Tool(_)));
    for name in fuzzed {
        terminal::say(format!("\n== {name}"));
        is_well &= tool.fuzz(&suite.url(name)?, args.cases, args.seed)?;
        interrupt.check()?;
    }
    for service in &mut running {
        service.must_run()?;
    }
    Ok(is_well)
}
