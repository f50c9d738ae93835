//! `services.toml`: the services of the shop, and what follows from it by convention.

mod check;
mod counts;
mod file;
mod name;
mod tool;

pub use counts::{CLUSTER, Counts, MOST_BASKETS, MOST_RELAYS};
pub use name::Name;
pub use tool::Tool;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::checkout::{SERVICES_TOML, checkout};

/// The name by which a service says that it writes addresses of pages.
pub const STOREFRONT: &str = "storefront";

/// What runs beside PostgreSQL and RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The services, in the order they start in.
    pub services: Vec<Service>,
    /// The relay; its port is the first relay's.
    pub relay: Program,
    /// The pages.
    pub storefront: Program,
    /// What stands for something outside of the shop, in the order they start in.
    pub tools: Vec<Tool>,
}

/// A program of the workspace that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The crate and its binary.
    pub binary: String,
    /// The port it prefers.
    pub port: u16,
    /// What it is for, in one line.
    pub summary: String,
}

/// A service with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The name of its process. It lives as long as this program, so that a [`Name`] is cheap to copy.
    pub name: &'static str,
    /// Its program.
    pub program: Program,
    /// Its database.
    pub database: String,
    /// Whether its program has a subcommand `seed`.
    pub seeds: bool,
    /// The event types that it writes to its outbox.
    pub publishes: Vec<String>,
    /// The event types that it handles.
    pub subscribes: Vec<String>,
    /// The services that it calls over HTTP.
    pub calls: Vec<String>,
    /// Whether it signs the tokens that all check.
    pub issuer: bool,
    /// Whether it signs or checks the links in mails.
    pub links: bool,
}

impl Service {
    /// Whether it writes addresses of the storefront's pages.
    pub fn names_pages(&self) -> bool {
        self.calls.iter().any(|called| called == STOREFRONT)
    }

    /// The role that owns the database and migrates it.
    pub fn owner(&self) -> String {
        format!("{}_owner", self.database)
    }

    /// The role that the service serves with.
    pub fn app(&self) -> String {
        format!("{}_app", self.database)
    }

    /// The relay's role in the database; `None` if the service publishes nothing.
    pub fn relay(&self) -> Option<String> {
        (!self.publishes.is_empty()).then(|| format!("{}_relay", self.database))
    }

    /// The role that sees which events the service has had; `None` if it subscribes to nothing.
    pub fn inbox_reader(&self) -> Option<String> {
        (!self.subscribes.is_empty()).then(|| format!("{}_inbox_reader", self.database))
    }

    /// All roles of the database that serve: every one but the owner.
    pub fn lesser_roles(&self) -> Vec<String> {
        [Some(self.app()), self.relay(), self.inbox_reader()].into_iter().flatten().collect()
    }

    /// All roles of the database.
    pub fn roles(&self) -> Vec<String> {
        [vec![self.owner()], self.lesser_roles()].concat()
    }

    /// The service's user of the broker; `None` if it subscribes to nothing.
    pub fn broker_user(&self) -> Option<&'static str> {
        (!self.subscribes.is_empty()).then_some(self.name)
    }
}

impl Registry {
    /// The registry of the checkout that this is called in.
    pub fn of_checkout() -> Result<Self> {
        Self::of(&checkout())
    }

    /// The registry of the checkout in this directory.
    pub fn of(checkout: &Path) -> Result<Self> {
        let path = checkout.join(SERVICES_TOML);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, &|name| checkout.join(name).join("Cargo.toml").is_file())
    }

    /// Reads the text of the file. The error is one sentence that names the line and says what to do.
    ///
    /// `has_crate` says whether the workspace has a crate of this name.
    pub fn parse(text: &str, has_crate: &dyn Fn(&str) -> bool) -> Result<Self> {
        let file = file::read(text)?;
        check::check(&file, text, has_crate)?;
        Ok(file.into())
    }

    /// Services that have an outbox.
    pub fn publishers(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| !service.publishes.is_empty())
    }

    /// Services that have an inbox.
    pub fn subscribers(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| !service.subscribes.is_empty())
    }

    /// The service whose tokens all others accept.
    pub fn issuer(&self) -> Option<&Service> {
        self.services.iter().find(|service| service.issuer)
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<&Service> {
        let service = self.services.iter().find(|service| service.name == name);
        service.with_context(|| format!("{SERVICES_TOML} has no service {name}"))
    }

    /// The process that the user means: by its short name or by its program's.
    pub fn process(&self, text: &str) -> Result<Name> {
        let is_meant = |service: &&Service| service.name == text || service.program.binary == text;
        if let Some(service) = self.services.iter().find(is_meant) {
            return Ok(Name::Service(service.name));
        }
        let is_meant = |tool: &&Tool| tool.name == text || tool.program.binary == text;
        if let Some(tool) = self.tools.iter().find(is_meant) {
            return Ok(Name::Tool(tool.name));
        }
        Ok(match text {
            "postgres" | "postgresql" => Name::Postgres,
            "rabbitmq" | "broker" => Name::RABBITMQ,
            "relay" | "outbox-relay" => Name::Relay(1),
            "storefront" => Name::Storefront,
            _ => match text.rsplit_once('-').and_then(|(what, number)| Some((what, number.parse().ok()?))) {
                Some(("relay" | "outbox-relay", n @ 1..=MOST_RELAYS)) => Name::Relay(n),
                Some(("rabbitmq" | "broker", n @ 1..=CLUSTER)) => Name::Rabbitmq(n),
                Some(("basket" | "basket-api", n @ 1..=MOST_BASKETS)) => Name::basket(n),
                _ => {
                    let services: Vec<&str> = self.services.iter().map(|service| service.name).collect();
                    let tools: Vec<&str> = self.tools.iter().map(|tool| tool.name).collect();
                    bail!(
                        "there is no process {text:?}: the names are {}, relay, storefront, {}, postgres and \
                         rabbitmq; of several relays, nodes of rabbitmq and baskets the second is relay-2 and so on",
                        services.join(", "),
                        tools.join(", ")
                    )
                }
            },
        })
    }

    /// All processes of a suite with so many of each, in the order they start in.
    pub fn processes(&self, counts: Counts) -> Vec<Name> {
        let brokers = (1..=counts.brokers).map(Name::Rabbitmq);
        [Name::Postgres].into_iter().chain(brokers).chain(self.programs(counts)).collect()
    }

    /// The processes but the servers, in the order they start in.
    pub fn programs(&self, counts: Counts) -> Vec<Name> {
        let baskets = 2..=counts.baskets;
        let services = self.services.iter().flat_map(|service| {
            let further = baskets.clone().filter(|_| Name::Service(service.name) == Name::BASKET);
            [Name::Service(service.name)].into_iter().chain(further.map(Name::basket))
        });
        let tools = self.tools.iter().map(|tool| Name::Tool(tool.name));
        let relays = (1..=counts.relays).map(Name::Relay);
        tools.chain(services).chain(relays).chain([Name::Storefront]).collect()
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// The tools that take mail: the storefront shows what they have.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| tool.smtp_port.is_some())
    }

    /// The services that a service calls.
    pub fn called_by(&self, service: &Service) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|other| service.calls.iter().any(|called| called == other.name))
    }

    /// The tools that a service uses.
    pub fn tools_of(&self, service: &Service) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| service.calls.iter().any(|called| called == tool.name))
    }

    /// The program of a process; `None` for the servers.
    pub fn program(&self, name: Name) -> Option<&Program> {
        match name {
            Name::Service(name) | Name::Further(name, _) => {
                self.service(name).ok().map(|service| &service.program)
            }
            Name::Relay(_) => Some(&self.relay),
            Name::Storefront => Some(&self.storefront),
            Name::Tool(name) => self.tool(name).map(|tool| &tool.program),
            Name::Postgres | Name::Rabbitmq(_) => None,
        }
    }

    /// The programs to build.
    pub fn binaries(&self) -> Vec<&str> {
        self.all_programs().map(|program| program.binary.as_str()).collect()
    }

    /// Every program once: the services', the relay, the storefront, the tools'.
    pub fn all_programs(&self) -> impl Iterator<Item = &Program> {
        let services = self.services.iter().map(|service| &service.program);
        let tools = self.tools.iter().map(|tool| &tool.program);
        services.chain([&self.relay, &self.storefront]).chain(tools)
    }

    /// The users of the servers that need a password: PostgreSQL's roles, and RabbitMQ's users after `broker_`.
    pub fn users(&self) -> Vec<String> {
        let roles = self.services.iter().flat_map(Service::roles);
        let broker = self.broker_users().into_iter().map(|user| format!("broker_{user}"));
        ["postgres".to_owned()].into_iter().chain(roles).chain(broker).collect()
    }

    /// The broker's users.
    pub fn broker_users(&self) -> Vec<&'static str> {
        ["admin", "relay"].into_iter().chain(self.services.iter().filter_map(Service::broker_user)).collect()
    }
}
