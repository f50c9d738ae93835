//! The tool behind `cargo shop`: brings the suite up on one machine, shows it, breaks it, tests it.
//!
//! It talks to the services over HTTP and to their processes by signals, and depends on no other
//! crate of the workspace, so that it builds in seconds and can start a suite that it did not build.
//!
//! | folder | its job |
//! |---|---|
//! | `commands` | one file a subcommand |
//! | `suite` | what runs, in which order, with which configuration, and when it counts as ready |
//! | `servers` | finding, installing and running a private PostgreSQL and RabbitMQ |
//! | `private` | servers for one run of the tests, or of something that measures or breaks |
//! | `process` | starting, recognising and ending processes |
//! | `registry` | `services.toml`: the services, their ports, roles and events |
//! | `generate` | the files that are written from it |
//! | `home` | what `.shop/` holds |
//! | `terminal` | progress, tables, tails of logs, Ctrl-C |

mod checkout;
pub mod cli;
pub mod commands;
pub mod generate;
pub mod home;
pub mod http;
pub mod private;
pub mod process;
pub mod registry;
pub mod servers;
pub mod suite;
pub mod terminal;
pub mod token;

use std::process::ExitCode;

use clap::Parser;

/// Parses the command line, does what it says and reports how that went.
///
/// Exit codes: 0 done, 1 failed (the reason is on standard error), 2 the command line made no sense,
/// 130 interrupted; `cargo shop test` passes on its runner's.
pub fn run() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::dispatch(cli.command) {
        Ok(code) => code,
        Err(error) if error.is::<terminal::Interrupted>() => {
            terminal::complain("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            terminal::complain(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
