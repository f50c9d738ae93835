//! The command line of a service.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Arg, ArgAction, Command, value_parser};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{ServiceApp, waiting_command};
use crate::settings::{self, CommonSettings, ServiceSettings, reference};
use crate::telemetry::{self, traces};
use crate::{database, healthcheck, output, shutdown};

/// Does what the command line of this process says.
pub(super) async fn run<S: DeserializeOwned + ToSchema + 'static>(app: ServiceApp<S>) -> anyhow::Result<()> {
    let arguments = command_line(&app).get_matches();
    let command = arguments.subcommand_name().unwrap_or("run");
    if command == "openapi" {
        return Ok(output::say(&app.document().to_pretty_json()?)?);
    }
    if let Some(("config", arguments)) = arguments.subcommand() {
        output::say(reference(&app, arguments.get_flag("markdown")).trim_end_matches('\n'))?;
        return Ok(());
    }
    let file = arguments.get_one::<PathBuf>("config").map(PathBuf::as_path);
    let settings: ServiceSettings<S> = settings::load_service(file)?;
    if command == "healthcheck" {
        return healthcheck::run(&settings.common.http, app.about.default_port).await;
    }
    telemetry::init(&settings.common.log)?;
    if let Some(consumer) = &app.consumer
        && let Some(waiting) = arguments.subcommand_matches("waiting")
    {
        let pool = database::connect_for_command(settings.common.database()?, app.about.name)?;
        return waiting_command::run(waiting, &pool, consumer.name).await;
    }
    if let Some(own) = app.commands.iter().find(|own| own.name == command) {
        let pool = database::connect_for_command(settings.common.database()?, app.about.name)?;
        let given = arguments.subcommand_matches(own.name);
        let given = own.arguments.iter().filter_map(|name| given?.get_one::<String>(name).cloned());
        return Ok(output::say(&(own.run)(pool, given.collect()).await?)?);
    }
    match (command, app.migrations, app.seed) {
        ("migrate", Some(migrations), _) => database::migrate(settings.common.database()?, migrations).await,
        ("seed", _, Some(seed)) => {
            let pool = database::connect_for_command(settings.common.database()?, app.about.name)?;
            let added = seed(pool).await.context("cannot seed the database")?;
            tracing::info!(added, "seeded");
            Ok(())
        }
        _ => {
            let stop = shutdown::on_signal()?;
            let traces = traces::export(&settings.common.traces, app.about.name, app.about.version)?;
            let outcome = app.start(settings, &stop)?.run().await;
            traces.end().await;
            outcome
        }
    }
}

/// Every setting of the service, with its default.
fn reference<S: ToSchema>(app: &ServiceApp<S>, markdown: bool) -> String {
    let mut settings = reference::list::<CommonSettings>();
    settings.retain(|setting| match setting.path.split('.').next() {
        Some("database") => app.migrations.is_some(),
        Some("broker" | "consumer") => app.consumer.is_some(),
        _ => true,
    });
    settings.extend(reference::list::<S>());
    if markdown { reference::table(&settings) } else { reference::example(&settings) }
}

fn command_line<S>(app: &ServiceApp<S>) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help("A TOML file with settings; the environment (APP__HTTP__PORT=…) wins over it");
    let mut command = Command::new(app.about.name)
        .version(app.about.version)
        .about(app.about.description)
        .arg(config)
        .subcommand(Command::new("run").about("Serve until told to stop (the default)"));
    if app.migrations.is_some() {
        let about = "Bring the database up to date; needs its owner's address in APP__DATABASE__URL";
        command = command.subcommand(Command::new("migrate").about(about));
    }
    if app.seed.is_some() {
        let about = "Fill an empty database; needs its owner's address in APP__DATABASE__URL";
        command = command.subcommand(Command::new("seed").about(about));
    }
    for own in &app.commands {
        let arguments = own.arguments.iter().map(|name| Arg::new(*name).required(true));
        command = command.subcommand(Command::new(own.name).about(own.about).args(arguments));
    }
    if app.consumer.is_some() {
        command = command.subcommand(waiting_command::command());
    }
    let markdown =
        Arg::new("markdown").long("markdown").action(ArgAction::SetTrue).help("As a table in Markdown");
    let example =
        Arg::new("example").long("example").action(ArgAction::SetTrue).help("As a TOML file (the default)");
    let about = "Print every setting with its default";
    let settings = Command::new("config").about(about).args([example, markdown]);
    command
        .subcommand(settings)
        .subcommand(Command::new("openapi").about("Print the OpenAPI document"))
        .subcommand(
            Command::new("healthcheck").about("Ask the service on the configured port whether it is ready"),
        )
}
