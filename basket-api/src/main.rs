//! The `basket-api` process.

#![expect(clippy::doc_markdown, reason = "the command's help is text, not markdown")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use basket_api::{
    settings::Settings,
    startup::{ABOUT, Application, MIGRATIONS, routes},
};
use clap::{Parser, Subcommand};
use service_kit::{database, healthcheck, server, settings, shutdown, telemetry};

/// Carts and price alerts. Settings come from a file and from environment variables APP__SECTION__NAME.
#[derive(Debug, Parser)]
#[command(name = "basket-api", version)]
struct Arguments {
    /// A TOML file with settings; the environment overrides it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serves requests and handles events until told to stop. The default.
    Run,
    /// Brings the database up to date; needs the owner's address in APP__DATABASE__URL.
    Migrate,
    /// Prints the OpenAPI document.
    Openapi,
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
    if let Some(Command::Openapi) = arguments.command {
        let document =
            server::document(&ABOUT, routes).to_pretty_json().context("cannot print the document")?;
        println!("{document}");
        return Ok(());
    }
    let settings: Settings = settings::load(arguments.config.as_deref())?;
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            telemetry::init(&settings.log)?;
            let stop = shutdown::on_signal()?;
            Application::build(&settings, &stop)?.run().await
        }
        Command::Migrate => {
            telemetry::init(&settings.log)?;
            database::migrate(settings.database()?, &MIGRATIONS).await
        }
        Command::Healthcheck => healthcheck::run(&settings.http, ABOUT.default_port).await,
        Command::Openapi => Ok(()),
    }
}
