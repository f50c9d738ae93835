//! One file a subcommand.

mod demo;
mod down;
mod freeze;
mod fuzz;
mod generate;
mod kill;
mod logs;
mod measure;
mod pictures;
mod reset;
mod simulate;
mod start;
mod status;
mod supply_chain;
mod test;
mod token;
mod tool;
mod up;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::Command;
use crate::registry::{Counts, Name};
use crate::suite::Suite;

/// Does what the command line says; the exit code is the command's answer.
pub fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(args) => up::run(&args),
        Command::Down => down::run(),
        Command::Status => status::run(),
        Command::Kill { name } => kill::run(name),
        Command::Freeze { name } => freeze::freeze(name),
        Command::Thaw { name } => freeze::thaw(name),
        Command::Start { name, servers } => start::run(name, &servers),
        Command::Logs(args) => logs::run(&args),
        Command::Pictures => pictures::run(),
        Command::Reset => reset::run(),
        Command::Token(args) => token::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Generate => generate::run(),
        Command::Bench { options } => measure::bench(&options),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::SupplyChain(args) => supply_chain::run(&args),
        Command::Demo => demo::run(),
        Command::Chaos { args } => measure::chaos(&args),
    }
}

/// Fails, saying why, for a process that this suite does not have.
fn check_exists(suite: &Suite, name: Name) -> Result<()> {
    if !suite.names().contains(&name) {
        let Counts { brokers, relays, baskets } = suite.plan.counts;
        bail!(
            "there is no {name}: the suite was started with {brokers} broker(s), {relays} relay(s) and {baskets} \
             basket(s), see cargo shop up --help"
        );
    }
    Ok(())
}
