//! The `storefront` process.

#![expect(clippy::doc_markdown, reason = "the command's help is text, not markdown")]

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use service_kit::{healthcheck, settings, shutdown, telemetry};
use storefront::{
    settings::Settings,
    startup::{self, ABOUT},
};

/// The shop's pages. Settings come from a file and from environment variables APP__SECTION__NAME.
#[derive(Debug, Parser)]
#[command(name = "storefront", version)]
struct Arguments {
    /// A TOML file with settings; the environment overrides it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serves pages until told to stop. The default.
    Run,
    /// Asks the service on the configured port whether it is ready.
    Healthcheck,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings: Settings = settings::load(arguments.config.as_deref())?;
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            telemetry::init(&settings.log)?;
            let stop = shutdown::on_signal()?;
            startup::build(&settings, &stop)?.run().await
        }
        Command::Healthcheck => healthcheck::run(&settings.http, ABOUT.default_port).await,
    }
}
