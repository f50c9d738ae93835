//! Who may talk to whom.

use super::{each, fill};
use crate::registry::{Program, Registry, Service, Tool};

/// What a program talks to.
#[derive(Default)]
pub(super) struct Egress<'a> {
    pub(super) database: bool,
    pub(super) broker: bool,
    /// Programs of the shop.
    pub(super) programs: Vec<&'a Program>,
    /// What these stand for: it is somewhere else.
    pub(super) tools: Vec<&'a Tool>,
}

impl Egress<'_> {
    /// The rules of a policy; none at all is an empty list.
    pub(super) fn rules(&self) -> String {
        let mut rules = String::new();
        if self.database {
            rules.push_str(&rule(&[5432], "cnpg.io/cluster: postgres"));
        }
        if self.broker {
            // The second one is that of TLS.
            rules.push_str(&rule(&[5672, 5671], "app.kubernetes.io/name: rabbitmq"));
        }
        for program in &self.programs {
            rules.push_str(&rule(&[program.port], &format!("app.kubernetes.io/name: {}", program.binary)));
        }
        for tool in &self.tools {
            let name = format!("app.kubernetes.io/name: {}", tool.program.binary);
            rules.push_str(&rule(&[tool.smtp_port.unwrap_or(tool.program.port)], &name));
            let ports =
                if tool.smtp_port.is_some() { "{ port: 465 }, { port: 587 }" } else { "{ port: 443 }" };
            rules.push_str(&outside(ports));
        }
        if rules.is_empty() { "    []\n".to_owned() } else { rules }
    }
}

/// Any address but those of private networks.
fn outside(ports: &str) -> String {
    format!(
        "    - ports: [{ports}]
      to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
"
    )
}

fn rule(ports: &[u16], label: &str) -> String {
    let ports = ports.iter().map(|port| format!("{{ port: {port} }}")).collect::<Vec<_>>().join(", ");
    format!("    - ports: [{ports}]\n      to:\n        - podSelector: {{ matchLabels: {{ {label} }} }}\n")
}

/// The peers that may call a program: the storefront, and services that say so.
pub(super) fn callers(names: &[&str]) -> String {
    each(names, |name| {
        format!("        - podSelector: {{ matchLabels: {{ app.kubernetes.io/name: {name} }} }}\n")
    })
}

/// The programs that call this service.
pub(super) fn callers_of<'a>(registry: &'a Registry, name: &str) -> Vec<&'a str> {
    let is_issuer = registry.issuer().is_some_and(|one| one.name == name);
    let calls = |service: &&Service| is_issuer || service.calls.iter().any(|called| called == name);
    let services = registry.services.iter().filter(calls).map(|service| &service.program);
    // Whoever checks tokens asks the issuer for its keys.
    let tools = registry.tools.iter().map(|tool| &tool.program);
    let others = [&registry.relay].into_iter().chain(tools).filter(|_| is_issuer);
    services.chain(others).map(|program| program.binary.as_str()).collect()
}

/// The program that publishes the keys of tokens, if one does.
pub(super) fn issuer(registry: &Registry) -> impl Iterator<Item = &Program> {
    registry.issuer().map(|service| &service.program).into_iter()
}

/// The programs of the shop that a service calls; the issuer is one in any case.
pub(super) fn called_by<'a>(registry: &'a Registry, service: &Service) -> Vec<&'a Program> {
    let is_called = |name: &str| service.calls.iter().any(|called| called == name);
    let is_called = |other: &&Service| other.issuer || is_called(other.name);
    registry.services.iter().filter(is_called).map(|other| &other.program).collect()
}

/// Nobody talks to anybody, and who talks to the servers.
pub(super) fn of_servers(registry: &Registry) -> String {
    let relay = std::iter::once(registry.relay.binary.as_str());
    let names = |services: Vec<&Service>| {
        let binaries = services.into_iter().map(|service| service.program.binary.as_str());
        binaries.chain(relay.clone()).collect::<Vec<_>>().join(", ")
    };
    let database_users = names(registry.services.iter().collect()) + ", provision";
    let broker_users = names(registry.subscribers().collect());
    fill(
        include_str!("../templates/kubernetes/network.yaml"),
        &[("database_users", database_users), ("broker_users", broker_users)],
    )
}
