//! What each process is told by its environment.

use anyhow::{Context, Result};

use super::Suite;
use crate::home::{EnvFile, Port};
use crate::registry::{Name, SANDBOX, Service};
use crate::servers::{Postgres, Rabbitmq};
use crate::token;

/// Environment variables.
pub type Variables = Vec<(String, String)>;

impl Suite {
    /// What a process serves with: its own, lesser users of the servers.
    pub fn configuration(&self, name: Name) -> Result<Variables> {
        let mut variables = self.common(name)?;
        variables.extend(match name {
            Name::Service(service) => {
                let service = self.registry.service(service)?;
                self.of_service(service, &service.app())?
            }
            Name::Relay(_) => self.of_relay(name)?,
            Name::Storefront => self.of_storefront()?,
            Name::Sandbox => self.of_sandbox(),
            Name::Postgres | Name::Rabbitmq => Variables::new(),
        });
        Ok(variables)
    }

    /// What a service migrates with: the owner of its database.
    pub(super) fn owner_configuration(&self, service: &Service) -> Result<Variables> {
        let common = self.common(Name::Service(service.name))?;
        Ok([common, self.of_service(service, &service.owner())?].concat())
    }

    /// The variables of `.shop/env`: addresses, the most powerful users of the servers, and two tokens.
    pub fn env_file(&self) -> Result<EnvFile> {
        let mut env = EnvFile::default();
        let services = &self.registry.services;
        for service in services {
            env.set(&format!("{}_URL", service.name.to_uppercase()), self.url(Name::Service(service.name))?)?;
        }
        if self.registry.sandbox.is_some() {
            env.set("PAYMENT_SANDBOX_URL", self.url(Name::Sandbox)?)?;
        }
        env.set("RELAY_URL", self.url(Name::Relay(1))?)?;
        env.set("STOREFRONT_URL", self.url(Name::Storefront)?)?;
        env.set("AMQP_URL", self.broker("admin")?)?;
        let management = self.ports.of(Port::Management)?;
        let admin = self.secrets.of("broker_admin")?;
        env.set("RABBITMQ_MANAGEMENT_URL", Rabbitmq::management_url(management, admin))?;
        for service in services {
            let name = format!("{}_DATABASE_URL", service.name.to_uppercase());
            env.set(&name, self.database(service, &service.owner())?)?;
        }
        env.set("BUYER_TOKEN", token::buyer()?)?;
        env.set("OPS_TOKEN", token::operator()?)?;
        Ok(env)
    }

    /// The base address of something that speaks HTTP.
    pub fn url(&self, listener: impl Into<Port>) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.ports.of(listener)?))
    }

    fn common(&self, name: Name) -> Result<Variables> {
        let port = self.ports.of(name)?.to_string();
        let variables = [
            ("APP__MODE", "development"),
            ("APP__HTTP__HOST", "127.0.0.1"),
            ("APP__HTTP__PORT", &port),
            ("APP__LOG__FORMAT", "text"),
            ("APP__AUTH__SECRET", token::DEVELOPMENT_SECRET),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    fn of_service(&self, service: &Service, role: &str) -> Result<Variables> {
        let mut variables = vec![("APP__DATABASE__URL".to_owned(), self.database(service, role)?)];
        if let Some(user) = service.broker_user() {
            variables.push(("APP__BROKER__URL".to_owned(), self.broker(user)?));
        }
        for called in &service.calls {
            if called == SANDBOX {
                variables.push(("APP__PROVIDER__URL".to_owned(), self.url(Name::Sandbox)?));
                continue;
            }
            let called = self.registry.service(called)?.name;
            variables
                .push((format!("APP__{}__URL", called.to_uppercase()), self.url(Name::Service(called))?));
        }
        Ok(variables)
    }

    /// The databases of all publishers, and those of all subscribers for `show` and `audit`.
    fn of_relay(&self, name: Name) -> Result<Variables> {
        let mut variables = Variables::new();
        for service in &self.registry.services {
            let (name, roles) = (service.name.to_uppercase(), [service.relay(), service.inbox_reader()]);
            for (list, role) in ["DATABASES", "CONSUMERS"].into_iter().zip(roles) {
                if let Some(role) = role {
                    variables.push((format!("APP__{list}__{name}__URL"), self.database(service, &role)?));
                }
            }
        }
        variables.push(("APP__BROKER__URL".to_owned(), self.broker("relay")?));
        // The name under which operators know the process.
        variables.push(("APP__RELAY__NAME".to_owned(), name.to_string()));
        Ok(variables)
    }

    fn of_storefront(&self) -> Result<Variables> {
        let mut variables = Variables::new();
        for service in &self.registry.services {
            let prefix = format!("APP__SERVICES__{}", service.name.to_uppercase());
            variables.push((format!("{prefix}__URL"), self.url(Name::Service(service.name))?));
            for (key, types) in [("PUBLISHES", &service.publishes), ("SUBSCRIBES", &service.subscribes)] {
                if !types.is_empty() {
                    variables.push((format!("{prefix}__{key}"), "true".to_owned()));
                }
            }
        }
        let relays = (1..=self.plan.relays).map(|number| self.url(Name::Relay(number)));
        variables.push(("APP__RELAY__URL".to_owned(), relays.collect::<Result<Vec<_>>>()?.join(",")));
        // What its control room kills and starts processes with: this very program.
        let tool = std::env::current_exe().context("cannot find this program's own path")?;
        variables.push(("APP__TOOL__PATH".to_owned(), tool.display().to_string()));
        Ok(variables)
    }

    /// It keeps its ledger beside what the suite keeps; and a buyer's call that it never answers stays open.
    fn of_sandbox(&self) -> Variables {
        let ledger = self.home.dir().join("sandbox-ledger.jsonl").display().to_string();
        let variables =
            [("APP__LEDGER__PATH", ledger), ("APP__HTTP__REQUEST_TIMEOUT_MS", "3600000".to_owned())];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn database(&self, service: &Service, role: &str) -> Result<String> {
        let port = self.ports.of(Name::Postgres)?;
        Ok(Postgres::url(port, role, self.secrets.of(role)?, &service.database))
    }

    fn broker(&self, user: &str) -> Result<String> {
        let password = self.secrets.of(&format!("broker_{user}"))?;
        Ok(Rabbitmq::url(self.ports.of(Name::Rabbitmq)?, user, password))
    }
}
