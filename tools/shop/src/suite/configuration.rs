//! What each service is told by its environment.

use anyhow::{Context, Result};

use super::{Name, Suite};
use crate::home::{EnvFile, Service};
use crate::servers::{Postgres, Rabbitmq};
use crate::token;

/// Environment variables.
pub type Variables = Vec<(String, String)>;

impl Suite {
    /// What a service serves with: its own, lesser users of the servers.
    pub fn configuration(&self, name: Name) -> Result<Variables> {
        let mut variables = self.common(name)?;
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        match name {
            Name::Catalog => {
                set(
                    "APP__DATABASE__URL",
                    self.database("catalog_app", &self.secrets.catalog_app, "catalog")?,
                );
            }
            Name::Basket => {
                set("APP__DATABASE__URL", self.database("basket_app", &self.secrets.basket_app, "basket")?);
                set("APP__BROKER__URL", self.broker("basket", &self.secrets.broker_basket)?);
                set("APP__CATALOG__URL", self.url(Service::Catalog)?);
            }
            Name::Relay(_) => {
                let catalog = self.database("catalog_relay", &self.secrets.catalog_relay, "catalog")?;
                set("APP__DATABASES__CATALOG__URL", catalog);
                set("APP__BROKER__URL", self.broker("relay", &self.secrets.broker_relay)?);
                // What `show` and `audit` compare with.
                let inbox =
                    self.database("basket_inbox_reader", &self.secrets.basket_inbox_reader, "basket")?;
                set("APP__CONSUMERS__BASKET__URL", inbox);
                // The name under which operators know the process.
                set("APP__RELAY__NAME", name.to_string());
            }
            Name::Storefront => {
                set("APP__SERVICES__CATALOG__URL", self.url(Service::Catalog)?);
                set("APP__SERVICES__CATALOG__PUBLISHES", "true".to_owned());
                set("APP__SERVICES__BASKET__URL", self.url(Service::Basket)?);
                set("APP__SERVICES__BASKET__SUBSCRIBES", "true".to_owned());
                let relays = (1..=self.settled.relays).map(|number| self.url(Service::Relay(number)));
                set("APP__RELAY__URL", relays.collect::<Result<Vec<_>>>()?.join(","));
                // What its control room kills and starts processes with: this very program.
                let tool = std::env::current_exe().context("cannot find this program's own path")?;
                set("APP__TOOL__PATH", tool.display().to_string());
            }
            Name::Postgres | Name::Rabbitmq => {}
        }
        Ok(variables)
    }

    /// What a service migrates with: the owner of its database.
    pub(super) fn owner_configuration(&self, name: Name) -> Result<Variables> {
        let mut variables = self.configuration(name)?;
        let owner = match name {
            Name::Basket => self.database("basket_owner", &self.secrets.basket_owner, "basket")?,
            _ => self.database("catalog_owner", &self.secrets.catalog_owner, "catalog")?,
        };
        variables.retain(|(name, _)| name != "APP__DATABASE__URL");
        variables.push(("APP__DATABASE__URL".to_owned(), owner));
        Ok(variables)
    }

    /// The variables of `.shop/env`: addresses, the most powerful users of the servers, and two tokens.
    pub fn env_file(&self) -> Result<EnvFile> {
        let mut env = EnvFile::default();
        env.set("CATALOG_URL", self.url(Service::Catalog)?)?;
        env.set("BASKET_URL", self.url(Service::Basket)?)?;
        env.set("RELAY_URL", self.url(Service::Relay(1))?)?;
        env.set("STOREFRONT_URL", self.url(Service::Storefront)?)?;
        env.set("AMQP_URL", self.broker("admin", &self.secrets.broker_admin)?)?;
        let management = self.ports.of(Service::Management)?;
        env.set("RABBITMQ_MANAGEMENT_URL", Rabbitmq::management_url(management, &self.secrets.broker_admin))?;
        env.set(
            "CATALOG_DATABASE_URL",
            self.database("catalog_owner", &self.secrets.catalog_owner, "catalog")?,
        )?;
        env.set("BASKET_DATABASE_URL", self.database("basket_owner", &self.secrets.basket_owner, "basket")?)?;
        env.set("BUYER_TOKEN", token::buyer()?)?;
        env.set("OPS_TOKEN", token::operator()?)?;
        Ok(env)
    }

    /// The base address of a service that speaks HTTP.
    pub fn url(&self, service: Service) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.ports.of(service)?))
    }

    fn common(&self, name: Name) -> Result<Variables> {
        let variables = [
            ("APP__MODE", "development".to_owned()),
            ("APP__HTTP__HOST", "127.0.0.1".to_owned()),
            ("APP__HTTP__PORT", self.ports.of(name.port())?.to_string()),
            ("APP__LOG__FORMAT", "text".to_owned()),
            ("APP__AUTH__SECRET", token::DEVELOPMENT_SECRET.to_owned()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    fn database(&self, role: &str, password: &str, database: &str) -> Result<String> {
        Ok(Postgres::url(self.ports.of(Service::Postgres)?, role, password, database))
    }

    fn broker(&self, user: &str, password: &str) -> Result<String> {
        Ok(Rabbitmq::url(self.ports.of(Service::Amqp)?, user, password))
    }
}
