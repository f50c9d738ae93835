//! Bringing the tables of an outbox up to date.

use anyhow::Context;
use event_bus::outbox;
use service_kit::output::say;
use sqlx::migrate::Migrator;

use crate::admin::{self, Sources};

/// Applies the migrations of the outbox that a database lacks. Other migrations in the same database stay as they are.
pub(super) async fn migrate(sources: &Sources, database: Option<&str>) -> anyhow::Result<()> {
    let source = admin::one(sources, database)?;
    let migrations = service_kit::database::migrations(Migrator::DEFAULT, &[outbox::MIGRATIONS]);
    migrations.run(&source.pool).await.with_context(|| format!("cannot migrate {}", source.name))?;
    Ok(say(&format!("{}: the outbox's tables are up to date", source.name))?)
}
