//! Bringing the tables of an outbox up to date.

use anyhow::{Context, ensure};
use event_bus::outbox;
use service_kit::output::say;
use sqlx::migrate::Migrator;

use crate::admin::Sources;

/// Applies the migrations of the outbox that a database lacks. Other migrations in the same database stay as they are.
pub(super) async fn migrate(sources: &Sources, database: Option<&str>) -> anyhow::Result<()> {
    let known = || sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ");
    let one = database.is_some() || sources.len() == 1;
    ensure!(one, "which database? There are {}: give --database NAME", known());
    let source = sources.iter().find(|source| database.is_none_or(|name| source.name == name));
    let source = source.with_context(|| format!("no such database: there is {}", known()))?;
    let mut migrations = service_kit::database::migrations(Migrator::DEFAULT, &[outbox::MIGRATIONS]);
    migrations.set_ignore_missing(true);
    migrations.run(&source.pool).await.with_context(|| format!("cannot migrate {}", source.name))?;
    Ok(say(&format!("{}: the outbox's tables are up to date", source.name))?)
}
