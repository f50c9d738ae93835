//! What each process is told by its environment.

use anyhow::{Context, Result};

use super::Suite;
use crate::home::{EnvFile, Port};
use crate::registry::{Counts, Name, Service, Tool};
use crate::servers::{Postgres, Rabbitmq};
use crate::token::{self, JWKS};

/// What signs the links in mails, in development mode. `service-kit` has the same constant, and refuses it in production
/// mode; a test compares the two.
pub const DEVELOPMENT_LINKS: &str = "shop-development-links-not-for-production";

/// Environment variables.
pub type Variables = Vec<(String, String)>;

impl Suite {
    /// What a process serves with: its own, lesser users of the servers.
    pub fn configuration(&self, name: Name) -> Result<Variables> {
        let mut variables = self.common(name)?;
        variables.extend(match name {
            Name::Service(service) | Name::Further(service, _) => {
                let service = self.registry.service(service)?;
                self.of_service(name, service, &service.app())?
            }
            Name::Relay(_) => self.of_relay(name)?,
            Name::Storefront => self.of_storefront()?,
            Name::Tool(tool) => self.of_tool(self.registry.tool(tool).context("there is no such tool")?)?,
            Name::Postgres | Name::Rabbitmq(_) => Variables::new(),
        });
        Ok(variables)
    }

    /// What a service migrates with: the owner of its database.
    pub(super) fn owner_configuration(&self, service: &Service) -> Result<Variables> {
        let name = Name::Service(service.name);
        Ok([self.common(name)?, self.of_service(name, service, &service.owner())?].concat())
    }

    /// The variables of `.shop/env`: addresses, the most powerful users of the servers, and two tokens.
    pub fn env_file(&self) -> Result<EnvFile> {
        let mut env = EnvFile::default();
        let services = &self.registry.services;
        for service in services {
            env.set(&format!("{}_URL", service.name.to_uppercase()), self.url(Name::Service(service.name))?)?;
        }
        for tool in &self.registry.tools {
            env.set(&tool.variable(), self.url(Name::Tool(tool.name))?)?;
        }
        env.set("RELAY_URL", self.url(Name::Relay(1))?)?;
        env.set("STOREFRONT_URL", self.url(Name::Storefront)?)?;
        env.set("AMQP_URL", self.broker_at(1, "admin")?)?;
        let management = self.ports.of(Port::Management(1))?;
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
        let auth = match self.registry.issuer() {
            Some(issuer) => {
                ("APP__AUTH__JWKS_URL", format!("{}{JWKS}", self.url(Name::Service(issuer.name))?))
            }
            None => ("APP__AUTH__SECRET", token::DEVELOPMENT_SECRET.to_owned()),
        };
        let variables = [
            ("APP__MODE", "development"),
            ("APP__HTTP__HOST", "127.0.0.1"),
            ("APP__HTTP__PORT", &port),
            ("APP__LOG__FORMAT", "text"),
            (auth.0, &auth.1),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    fn of_service(&self, name: Name, service: &Service, role: &str) -> Result<Variables> {
        let mut variables = vec![("APP__DATABASE__URL".to_owned(), self.database(service, role)?)];
        if let Some(user) = service.broker_user() {
            variables.push(("APP__BROKER__URL".to_owned(), self.broker(name, user)?));
        }
        for called in self.registry.called_by(service) {
            let url = self.url(Name::Service(called.name))?;
            variables.push((format!("APP__{}__URL", called.name.to_uppercase()), url));
        }
        if service.links {
            variables.push(("APP__LINKS__SECRET".to_owned(), DEVELOPMENT_LINKS.to_owned()));
        }
        if service.names_pages() {
            variables.push(("APP__STOREFRONT__URL".to_owned(), self.url(Name::Storefront)?));
        }
        for tool in self.registry.tools_of(service) {
            let port = self.ports.of(Name::Tool(tool.name))?;
            variables.push((tool.setting.clone(), tool.address("127.0.0.1", port, self.smtp_port(tool)?)));
        }
        Ok(variables)
    }

    /// The databases of all publishers, and those of all subscribers for `show` and `audit`.
    fn of_relay(&self, name: Name) -> Result<Variables> {
        let mut variables = Variables::new();
        for service in &self.registry.services {
            let (database, roles) = (service.name.to_uppercase(), [service.relay(), service.inbox_reader()]);
            for (list, role) in ["DATABASES", "CONSUMERS"].into_iter().zip(roles) {
                if let Some(role) = role {
                    variables.push((format!("APP__{list}__{database}__URL"), self.database(service, &role)?));
                }
            }
        }
        variables.push(("APP__BROKER__URL".to_owned(), self.broker(name, "relay")?));
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
        for mailbox in self.registry.mailboxes() {
            variables.push((mailbox.page_setting(), self.url(Name::Tool(mailbox.name))?));
        }
        let relays = (1..=self.plan.counts.relays).map(|number| self.url(Name::Relay(number)));
        variables.push(("APP__RELAY__URL".to_owned(), relays.collect::<Result<Vec<_>>>()?.join(",")));
        // What its control room kills and starts processes with: this very program.
        let tool = std::env::current_exe().context("cannot find this program's own path")?;
        variables.push(("APP__TOOL__PATH".to_owned(), tool.display().to_string()));
        Ok(variables)
    }

    /// It keeps its file beside what the suite keeps.
    fn of_tool(&self, tool: &Tool) -> Result<Variables> {
        let mut variables = tool.settings.clone();
        if let Some(setting) = &tool.file {
            let file = self.home.dir().join(format!("{}.jsonl", tool.name));
            variables.push((setting.clone(), file.display().to_string()));
        }
        if let Some(port) = self.smtp_port(tool)? {
            variables.push(("APP__SMTP__PORT".to_owned(), port.to_string()));
        }
        Ok(variables)
    }

    fn smtp_port(&self, tool: &Tool) -> Result<Option<u16>> {
        tool.smtp_port.map(|_| self.ports.of(Port::Smtp(tool.name))).transpose()
    }

    fn database(&self, service: &Service, role: &str) -> Result<String> {
        let port = self.ports.of(Name::Postgres)?;
        Ok(Postgres::url(port, role, self.secrets.of(role)?, &service.database))
    }

    /// The addresses of all nodes, each client's beginning with another one: the node that a client is connected to has
    /// most of the work with it.
    fn broker(&self, client: Name, user: &str) -> Result<String> {
        let nodes = usize::from(self.plan.counts.brokers);
        let programs = self.registry.programs(Counts::MOST);
        let first = programs.iter().position(|name| *name == client).unwrap_or(0);
        let addresses = (1..=self.plan.counts.brokers).cycle().skip(first % nodes.max(1)).take(nodes);
        Ok(addresses.map(|node| self.broker_at(node, user)).collect::<Result<Vec<_>>>()?.join(","))
    }

    fn broker_at(&self, node: u8, user: &str) -> Result<String> {
        let password = self.secrets.of(&format!("broker_{user}"))?;
        Ok(Rabbitmq::url(self.ports.of(Name::Rabbitmq(node))?, user, password))
    }
}
