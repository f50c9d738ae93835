//! The databases, past all proxies, with the superuser's rights.

use anyhow::Result;
use shop::{registry::Name, servers::Postgres, suite::Suite};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{Environment, Options};

impl Environment {
    /// The database of a service, past all proxies, with the superuser's rights.
    pub fn database(&self, service: &str) -> Result<&PgPool> {
        match service {
            "catalog" => Ok(&self.catalog),
            "basket" => Ok(&self.basket),
            "ordering" => Ok(&self.ordering),
            "payment" => Ok(&self.payment),
            "accounts" => Ok(&self.accounts),
            "notifier" => Ok(&self.notifier),
            _ => anyhow::bail!("the harness does not know the database of {service}"),
        }
    }

    /// The URL of a database with the superuser's rights.
    pub fn database_url(&self, database: &str) -> Result<String> {
        url_of(&self.suite, database)
    }
}

fn url_of(suite: &Suite, database: &str) -> Result<String> {
    Ok(Postgres::url(suite.ports.of(Name::Postgres)?, "postgres", suite.secrets.of("postgres")?, database))
}

pub(super) fn pool(suite: &Suite, options: &Options, database: &str) -> Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(options.connections).acquire_timeout(options.acquire);
    Ok(pool.connect_lazy(&url_of(suite, database)?)?)
}
