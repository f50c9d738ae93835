//! The whole suite as processes, for tests that break it: a catalog, relays and baskets on databases and a
//! virtual host of their own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod accounts;
pub mod browser;
mod client;
mod database;
mod mail;
mod orders;
mod program;

use std::{path::PathBuf, process::Command};

pub use accounts::Accounts;
pub use client::{Buyer, Merchant};
pub use database::Database;
pub use mail::Mail;
pub use orders::{GRACE, Orders};
pub use program::log_everything;
use test_kit::{Process, Vhost};

/// Variables over the usual ones.
type Settings<'a> = &'a [(&'a str, &'a str)];

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
        let (catalog, basket) = (Database::create("catalog").await, Database::create("basket").await);
        let suite = Self { catalog, basket, vhost };
        for (binary, step) in [("catalog-api", "migrate"), ("catalog-api", "seed"), ("basket-api", "migrate")]
        {
            let output = suite.command(binary, &[]).arg(step).output().expect("a binary to start");
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{binary} {step}: {text}");
        }
        suite
    }

    /// Starts a catalog.
    pub fn start_catalog(&self, settings: Settings) -> Process {
        Process::start("catalog", self.command("catalog-api", settings))
    }

    /// Starts a relay.
    pub fn start_relay(&self, settings: Settings) -> Process {
        Process::start("relay", self.command("outbox-relay", settings))
    }

    /// Starts a basket that asks this catalog about products it does not know.
    pub fn start_basket(&self, catalog: &Process, settings: Settings) -> Process {
        Process::start("basket", self.basket_of(catalog, settings))
    }

    /// Starts a basket with this soft limit of open files.
    pub fn start_basket_with_files(&self, catalog: &Process, files: u32, settings: Settings) -> Process {
        let basket = self.basket_of(catalog, settings);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -Sn {files}; exec \"$0\"")]).arg(basket.get_program());
        command.env_clear().envs(basket.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Process::start("basket", command)
    }

    /// Starts the pages in front of these.
    pub fn start_storefront(&self, catalog: &Process, basket: &Process, settings: Settings) -> Process {
        let services = [
            ("APP__SERVICES__CATALOG__URL", catalog.url.as_str()),
            ("APP__SERVICES__CATALOG__PUBLISHES", "true"),
            ("APP__SERVICES__BASKET__URL", &basket.url),
            ("APP__SERVICES__BASKET__SUBSCRIBES", "true"),
        ];
        Process::start("storefront", self.command("storefront", &[&services, settings].concat()))
    }

    fn basket_of(&self, catalog: &Process, settings: Settings) -> Command {
        let mut command = self.command("basket-api", &[("APP__CATALOG__URL", &catalog.url)]);
        command.envs(settings.iter().copied());
        command
    }

    /// A program of the suite with the settings of this one's servers.
    ///
    /// # Panics
    /// When it is not built.
    pub fn command(&self, binary: &str, settings: Settings) -> Command {
        let servers: Settings = match binary {
            "catalog-api" => {
                &[("APP__DATABASE__URL", &self.catalog.url), ("APP__BROKER__URL", &self.vhost.url)]
            }
            "basket-api" => {
                &[("APP__DATABASE__URL", &self.basket.url), ("APP__BROKER__URL", &self.vhost.url)]
            }
            "outbox-relay" => {
                &[("APP__DATABASES__CATALOG__URL", &self.catalog.url), ("APP__BROKER__URL", &self.vhost.url)]
            }
            _ => &[],
        };
        let usual = [
            program::log_filter(),
            ("APP__MODE", "development"),
            ("APP__HTTP__PORT", "0"),
            ("APP__AUTH__SECRET", "shop-development-secret-not-for-production"),
        ];
        let mut command = Command::new(path_of(binary));
        command.env_clear().envs(usual).envs(servers.iter().copied()).envs(settings.iter().copied());
        command
    }
}

/// Where a program of the workspace is. An example's name begins with `examples/`.
///
/// # Panics
/// When it is not built.
pub fn path_of(binary: &str) -> PathBuf {
    test_kit::beside_this_program(binary).unwrap()
}
