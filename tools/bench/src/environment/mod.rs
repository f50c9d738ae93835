//! The servers, the services and the data that are measured.

mod client;
mod data;
mod queue;

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use anyhow::Result;
use harness::{Environment as Harness, Name, Options};
use shop::terminal::Interrupt;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub(crate) use self::client::{Client, Load, answers, bearer, closed_loop, header, repeat};
pub(crate) use self::data::{BACKLOG_TYPE, CARTS, FIRST, PRODUCTS};
pub(crate) use self::queue::{EXCHANGE, Queue};

/// Between two polls of what is waited for.
const POLL: Duration = Duration::from_millis(20);

/// The harness's environment, with products and carts.
pub(crate) struct Environment {
    harness: Harness,
    /// For changing prices.
    pub(crate) token: String,
}

impl Deref for Environment {
    type Target = Harness;

    fn deref(&self) -> &Harness {
        &self.harness
    }
}

impl DerefMut for Environment {
    fn deref_mut(&mut self) -> &mut Harness {
        &mut self.harness
    }
}

impl Environment {
    /// Starts the servers and fills the databases. No service runs yet.
    pub(crate) async fn open() -> Result<Self> {
        let options = Options {
            purpose: "to measure with",
            number: 0,
            brokers: 1,
            is_proxied: false,
            connections: 20,
            acquire: Duration::from_secs(30),
            older: None,
        };
        let harness = Harness::open(options, &Interrupt::install()?).await?;
        // PostgreSQL then records when each row was committed.
        sqlx::query("alter system set track_commit_timestamp = on").execute(&harness.catalog).await?;
        harness.stop_server(Name::Postgres)?;
        harness.start_server(Name::Postgres)?;
        let environment =
            Self { harness, token: harness::token::token("operator", "catalog:write orders:ship ops")? };
        environment.clear_log().await?;
        environment.fill().await?;
        Ok(environment)
    }

    /// A program of PostgreSQL's own, with the superuser's rights on this database.
    pub(crate) fn pgbench(&self, database: &str) -> Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(self.postgres_programs.join("pgbench"));
        command.arg(self.database_url(database)?).kill_on_drop(true);
        Ok(command)
    }

    /// A pool of neither database: what reads their statistics must not count in them.
    pub(crate) fn pool_elsewhere(&self) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(1).connect_lazy(&self.database_url("postgres")?)?)
    }
}
