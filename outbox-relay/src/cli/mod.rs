//! The command line.

mod args;
mod schema;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail, ensure};
use service_kit::{
    healthcheck,
    output::say,
    reason,
    server::document,
    settings::{self as kit, reference},
    shutdown,
};
use uuid::Uuid;

pub(crate) use self::args::Cli;
use self::args::{Command, Replay, ScheduledCommand, Which};
use crate::{
    admin::{
        self, Decided, Decision, Sources, audit,
        bulk::{self, Limit},
        check, decide, http, replay, restore, scheduled,
        subscribers::{subscriber, subscribers},
        tables,
        timeline::Timeline,
    },
    serve::{self, ABOUT},
    settings::Settings,
    source::Source,
    store::{
        events::{Failed, Filter},
        replay::Span,
    },
};

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(Command::Openapi) = cli.command {
        say(&document(&ABOUT, http::routes).to_pretty_json()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Command::Config { markdown, .. }) = cli.command {
        let settings = reference::list::<Settings>();
        let text = if markdown { reference::table(&settings) } else { reference::example(&settings) };
        say(text.trim_end_matches('\n'))?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings: Settings = kit::load(cli.config.as_deref())?;
    ensure!(!settings.databases.is_empty(), "no database: set APP__DATABASES__<NAME>__URL");
    let mut sources = Sources::new();
    for (name, database) in &settings.databases {
        sources.push(Arc::new(Source::new(name, database)?));
    }
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => serve::run(settings, sources).await?,
        Command::Status => {
            let status = admin::status(&sources, false).await;
            say(&if cli.json { tables::json(&status)? } else { tables::status(&status) })?;
            if status.iter().any(|status| !status.problems.is_empty()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::List { state, event_type, key, before, limit } => {
            let filter = Filter { state, event_type, key };
            let events = admin::list(&sources, &filter, before, limit).await?;
            say(&if cli.json { tables::json(&events)? } else { tables::events(&events) })?;
        }
        Command::Show { id } => {
            let subscribers = subscribers(&settings.consumers)?;
            let timeline = Timeline::of(id, &sources, &subscribers).await?.with_context(|| unknown(id))?;
            say(&if cli.json { tables::json(&timeline)? } else { timeline.text() })?;
        }
        Command::Requeue(which) => decide_about(&sources, which, &Decision::Requeue, cli.json).await?,
        Command::Skip { which, reason, by } => {
            let decision = Decision::Skip { by: &by, reason: reason::parse(&reason)? };
            decide_about(&sources, which, &decision, cli.json).await?;
        }
        Command::Check => {
            let checks = check::check(&sources, &settings.broker.config()?).await;
            say(&if cli.json { tables::json(&checks)? } else { tables::checks(&checks) })?;
            if checks.iter().any(|check| check.problem.is_some()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Migrate { database } => schema::migrate(&sources, database.as_deref()).await?,
        Command::Scheduled { command: ScheduledCommand::List { limit } } => {
            let events = scheduled::list(&sources, limit).await?;
            say(&if cli.json { tables::json(&events.data)? } else { tables::scheduled(&events.data) })?;
            ensure!(events.problems.is_empty(), "not all databases answered: {}", events.problems.join("; "));
        }
        Command::Scheduled { command: ScheduledCommand::Cancel { id } } => {
            let done = scheduled::cancel(&sources, id).await?;
            ensure!(done, "no event with the id {id} is scheduled: it was released, or cancelled before");
            say(&format!("{id} is cancelled"))?;
        }
        Command::Replay(wanted) => {
            let Replay { from, to, event_type, key, to_queue, missing, database, dry_run } = wanted;
            let missing_at = match missing {
                Some(name) => Some(subscriber(&settings.consumers, &name)?),
                None => None,
            };
            let now = chrono::Utc::now();
            let span =
                Span { from: from.unwrap_or(now - audit::WINDOW), to: to.unwrap_or(now), event_type, key };
            let order = replay::Order { span, to_queue, missing_at, database, dry_run };
            let stop = shutdown::on_signal()?;
            let done = replay::replay(&sources, &settings.broker.config()?, &order, &stop).await?;
            say(&if cli.json { tables::json(&done)? } else { tables::replayed(&done, dry_run) })?;
            if done.iter().any(|one| one.problem.is_some()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Audit { from } => {
            let subscribers = subscribers(&settings.consumers)?;
            ensure!(
                !subscribers.is_empty(),
                "no subscriber to compare with: set APP__CONSUMERS__<NAME>__URL"
            );
            let from = from.unwrap_or_else(|| chrono::Utc::now() - audit::WINDOW);
            let report = audit::audit(&sources, &subscribers, &settings.broker.config()?, from).await?;
            say(&if cli.json { tables::json(&report)? } else { tables::audit(&report) })?;
            if report.missing > 0 || report.unknown > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Restore { database, from } => {
            let subscribers = subscribers(&settings.consumers)?;
            let from = from.unwrap_or_else(|| chrono::Utc::now() - audit::WINDOW);
            let restored = restore::restore(&sources, database.as_deref(), &subscribers, from).await?;
            say(&if cli.json { tables::json(&restored)? } else { tables::restored(&restored) })?;
        }
        Command::Healthcheck => healthcheck::run(&settings.http, ABOUT.default_port).await?,
        Command::Openapi | Command::Config { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Carries out a decision about one failed event, or about all that match.
async fn decide_about(
    sources: &Sources,
    which: Which,
    decision: &Decision<'_>,
    json: bool,
) -> anyhow::Result<()> {
    if let (Some(id), false) = (which.id, which.dry_run) {
        return print_decided(id, decide(sources, id, decision).await?, json);
    }
    let failed = Failed { id: which.id, event_type: which.event_type, key: which.key };
    let done = if which.dry_run {
        bulk::count(sources, &failed).await
    } else {
        bulk::decide_all(sources, &failed, decision, &Limit::none()).await.databases
    };
    say(&if json { tables::json(&done)? } else { tables::bulk(&done, which.dry_run) })?;
    let problems: Vec<&str> = done.iter().filter_map(|done| done.problem.as_deref()).collect();
    ensure!(problems.is_empty(), "not all databases answered: {}", problems.join("; "));
    Ok(())
}

fn print_decided(id: Uuid, decided: Decided, json: bool) -> anyhow::Result<()> {
    match decided {
        Decided::Done(found) if json => say(&tables::json(&*found)?)?,
        Decided::Done(found) => say(&tables::events(&[*found]))?,
        Decided::NotFailed(found) => {
            bail!("the event {id} is in state {}: it does not wait for a decision", found.event.state)
        }
        Decided::Unknown => bail!(unknown(id)),
    }
    Ok(())
}

fn unknown(id: Uuid) -> String {
    format!("no log of this relay has the event {id}")
}
