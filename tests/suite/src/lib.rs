//! The whole suite as processes: a catalog, relays and baskets on databases and a virtual host of
//! their own, for tests that break it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

pub mod browser;
mod client;
mod database;

use std::{path::PathBuf, process::Command};

pub use client::{Buyer, Merchant};
pub use database::Database;
use test_kit::{Process, Vhost};

/// The suite, without processes at first.
pub struct Suite {
    /// The catalog's database.
    pub catalog: Database,
    /// The basket's database.
    pub basket: Database,
    /// The broker.
    pub vhost: Vhost,
}

impl Suite {
    /// Makes the databases, migrates and seeds them.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn set_up() -> Self {
        let vhost = test_kit::vhost().await;
        let suite = Self {
            catalog: Database::create("catalog").await,
            basket: Database::create("basket").await,
            vhost,
        };
        suite.run_to_end("catalog-api", "migrate");
        suite.run_to_end("catalog-api", "seed");
        suite.run_to_end("basket-api", "migrate");
        suite
    }

    /// Starts a catalog. `settings` are variables over the usual ones.
    pub fn start_catalog(&self, settings: &[(&str, &str)]) -> Process {
        Process::start("catalog", self.command("catalog-api").envs(settings.iter().copied()))
    }

    /// Starts a relay.
    pub fn start_relay(&self, settings: &[(&str, &str)]) -> Process {
        Process::start("relay", self.command("outbox-relay").envs(settings.iter().copied()))
    }

    /// Starts a basket that asks this catalog about products it does not know.
    pub fn start_basket(&self, catalog: &Process, settings: &[(&str, &str)]) -> Process {
        let mut command = self.command("basket-api");
        Process::start(
            "basket",
            command.env("APP__CATALOG__URL", &catalog.url).envs(settings.iter().copied()),
        )
    }

    /// Starts a basket that may have so many files open, until it asks the system for more.
    pub fn start_basket_with_files(
        &self,
        catalog: &Process,
        files: u32,
        settings: &[(&str, &str)],
    ) -> Process {
        let basket = self.command("basket-api");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -Sn {files}; exec \"$0\"")]).arg(basket.get_program());
        command.env_clear().envs(basket.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("APP__CATALOG__URL", &catalog.url).envs(settings.iter().copied());
        Process::start("basket", &mut command)
    }

    /// Starts the pages in front of these.
    pub fn start_storefront(
        &self,
        catalog: &Process,
        basket: &Process,
        settings: &[(&str, &str)],
    ) -> Process {
        let mut command = self.command("storefront");
        command
            .env("APP__SERVICES__CATALOG__URL", &catalog.url)
            .env("APP__SERVICES__CATALOG__PUBLISHES", "true")
            .env("APP__SERVICES__BASKET__URL", &basket.url)
            .env("APP__SERVICES__BASKET__SUBSCRIBES", "true");
        Process::start("storefront", command.envs(settings.iter().copied()))
    }

    fn run_to_end(&self, binary: &str, subcommand: &str) {
        let output = self.command(binary).arg(subcommand).output().expect("a binary to start");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{binary} {subcommand}: {text}");
    }

    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(path_of(binary));
        let database = if binary == "basket-api" { &self.basket.url } else { &self.catalog.url };
        command
            .env_clear()
            .env("APP__MODE", "development")
            .env("APP__HTTP__PORT", "0")
            .env("APP__AUTH__SECRET", "shop-development-secret-not-for-production");
        match binary {
            "catalog-api" => command.env("APP__DATABASE__URL", database),
            "basket-api" => {
                let command = command.env("APP__DATABASE__URL", database);
                command.env("APP__BROKER__URL", &self.vhost.url)
            }
            "storefront" => &mut command,
            _ => {
                let command = command.env("APP__DATABASES__CATALOG__URL", database);
                command.env("APP__BROKER__URL", &self.vhost.url)
            }
        };
        command
    }
}

/// Where a program of the workspace is: beside the tests' own. An example's name begins with `examples/`.
///
/// # Panics
/// When it is not built.
pub fn path_of(binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path of one's own");
    let folder = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let path = folder.join(binary);
    assert!(path.exists(), "{} is not built: run the tests with `cargo shop test`", path.display());
    path
}
