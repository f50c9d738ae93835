//! The catalog's program: serves, and prepares its database.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use catalog_api::settings::Settings;
use catalog_api::{MIGRATOR, app, seed};
use clap::{Parser, Subcommand};
use service_kit::auth::Verifier;
use service_kit::{database, healthcheck, server, settings, shutdown, telemetry};

/// The shop's catalog: products, prices and stock.
#[derive(Parser)]
#[command(name = "catalog-api", version, about)]
struct Arguments {
    /// A TOML file with settings; the environment (`APP__HTTP__PORT=…`) wins over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Task>,
}

/// What to do.
#[derive(Subcommand)]
enum Task {
    /// Serve until told to stop (what is done when nothing is said).
    Run,
    /// Bring the database to the state that this version needs; as the database's owner.
    Migrate,
    /// Put the first products into an empty catalog, and announce them; as the database's owner.
    Seed,
    /// Print the description of the API, as a JSON document.
    Openapi,
    /// Ask the service on the configured port whether it is ready.
    Healthcheck,
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("catalog-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let task = arguments.command.unwrap_or(Task::Run);
    if let Task::Openapi = task {
        println!("{}", server::document(&app::ABOUT, app::routes).to_pretty_json()?);
        return Ok(());
    }
    let settings: Settings = settings::load(arguments.config.as_deref())?;
    telemetry::init(&settings.log)?;
    match task {
        Task::Run | Task::Openapi => run(&settings).await,
        Task::Migrate => database::migrate(&settings.database, &MIGRATOR).await,
        Task::Seed => {
            let pool = database::connect_for_command(&settings.database, "catalog-api seed")?;
            let added = seed::run(&pool).await.context("cannot seed the catalog")?;
            tracing::info!(products = added, "seeded");
            Ok(())
        }
        Task::Healthcheck => healthcheck::run(&settings.http, app::ABOUT.default_port).await,
    }
}

async fn run(settings: &Settings) -> anyhow::Result<()> {
    let verifier = Verifier::new(&settings.auth, settings.mode)?;
    let pool = database::connect(&settings.database, app::ABOUT.name)?;
    let stop = shutdown::on_signal()?;
    app::bind(&settings.http, verifier, &pool, &stop)?.run().await
}
