//! Compose.

use super::{each, fill};
use crate::registry::{Program, Registry, Service, Tool};
use crate::token::DEVELOPMENT_SECRET;
use crate::token::JWKS;

/// `docker-compose.yml`.
pub(super) fn docker_compose(registry: &Registry) -> String {
    let services = &registry.services;
    let roles = services.iter().flat_map(Service::roles);
    let passwords = each(roles, |role| format!("  {}_PASSWORD: {}\n", role.to_uppercase(), password(&role)));
    let image = |service: &Service| {
        let (name, binary) = (service.name, &service.program.binary);
        format!(
            "x-{name}-image: &{name}-image\n  image: shop/{binary}\n  build: {{ <<: *build, target: {binary} }}\n\n"
        )
    };
    let database = |list: &str, service: &Service, role: Option<String>| {
        let role = role.unwrap_or_default();
        let url = database_url(service, &role);
        format!("      APP__{list}__{}__URL: {url}\n", service.name.to_uppercase())
    };
    fill(
        include_str!("templates/docker-compose.yml"),
        &[
            ("images", each(services, image).trim_end().to_owned() + "\n"),
            ("auth", auth(registry)),
            ("passwords", passwords),
            ("services", each(services, |service| service_block(registry, service))),
            ("publishers_migrated", each(registry.publishers(), after_migration)),
            ("subscribers_healthy", each(registry.subscribers(), healthy)),
            ("services_healthy", each(services, healthy)),
            (
                "databases",
                each(registry.publishers(), |service| database("DATABASES", service, service.relay())),
            ),
            (
                "inboxes",
                each(registry.subscribers(), |service| {
                    database("CONSUMERS", service, service.inbox_reader())
                }),
            ),
            ("addresses", each(services, storefront_settings) + &each(registry.mailboxes(), mailbox_setting)),
            ("tools", each(&registry.tools, tool_block)),
            ("relay", registry.relay.binary.clone()),
            ("relay_port", registry.relay.port.to_string()),
            ("storefront_port", registry.storefront.port.to_string()),
        ],
    )
}

/// What tokens are checked with.
fn auth(registry: &Registry) -> String {
    match registry.issuer() {
        Some(issuer) => format!("  APP__AUTH__JWKS_URL: {}{JWKS}\n", address(issuer)),
        None => format!("  APP__AUTH__SECRET: ${{SHOP_SECRET:-{DEVELOPMENT_SECRET}}}\n"),
    }
}

/// The steps that come before a service, and the service.
fn service_block(registry: &Registry, service: &Service) -> String {
    let (name, binary, port) = (service.name, &service.program.binary, service.program.port);
    let seed = if service.seeds {
        step(registry, service, "seed", &after_migration(service))
    } else {
        String::new()
    };
    let provisioned = "      provision: { condition: service_completed_successfully }\n";
    let migrate = step(registry, service, "migrate", provisioned);
    let broker = match service.broker_user() {
        Some(_) => "      rabbitmq: { condition: service_healthy }\n",
        None => "",
    };
    let mut called = each(registry.called_by(service), healthy);
    called.push_str(&each(registry.tools_of(service), |tool| {
        format!("      {}: {{ condition: service_healthy }}\n", tool.program.binary)
    }));
    let migrated = after_migration(service);
    let settings = settings(registry, service, &service.app());
    let port_variable = format!("{}_PORT", name.to_uppercase());
    format!(
        "{migrate}{seed}  {binary}:
    <<: [*service, *{name}-image]
    depends_on:
{migrated}      postgres: {{ condition: service_healthy }}
{broker}{called}    environment:
{settings}    ports: [\"127.0.0.1:${{{port_variable}:-{port}}}:{port}\"]
    healthcheck: {{ <<: *healthcheck, test: [CMD, /usr/local/bin/{binary}, healthcheck] }}

"
    )
}

/// Something that the service's program does once, as the owner of the database.
fn step(registry: &Registry, service: &Service, command: &str, after: &str) -> String {
    let name = service.name;
    let settings = settings(registry, service, &service.owner());
    format!(
        "  {name}-{command}:
    <<: [*step, *{name}-image]
    command: [{command}]
    depends_on:
{after}    environment:
{settings}
"
    )
}

fn settings(registry: &Registry, service: &Service, role: &str) -> String {
    let database = database_url(service, role);
    let broker = match service.broker_user() {
        Some(user) => {
            format!("      APP__BROKER__URL: amqp://{user}:{user}-development@rabbitmq:5672/shop\n")
        }
        None => String::new(),
    };
    let called = each(registry.called_by(service), |called| {
        format!("      APP__{}__URL: {}\n", called.name.to_uppercase(), address(called))
    });
    let tools = each(registry.tools_of(service), |tool| {
        let address = tool.address(&tool.program.binary, tool.program.port, tool.smtp_port);
        format!("      {}: {address}\n", tool.setting)
    });
    // As browsers on this machine know it.
    let port = registry.storefront.port;
    let pages = format!("      APP__STOREFRONT__URL: http://127.0.0.1:${{STOREFRONT_PORT:-{port}}}\n");
    let pages = if service.names_pages() { pages } else { String::new() };
    let links = if service.links { "      APP__LINKS__SECRET: *links\n" } else { "" };
    // Whoever signs tokens slows down those who guess passwords: that is whom the storefront names.
    let proxy = format!("      APP__SIGN_IN__TRUSTED_PROXIES: {}\n", registry.storefront.binary);
    let proxy = if service.issuer { proxy } else { String::new() };
    format!(
        "      <<: *common\n      APP__DATABASE__URL: {database}\n{broker}{links}{proxy}{called}{tools}{pages}"
    )
}

/// Where the storefront finds a service, and whether it has an outbox and an inbox.
fn storefront_settings(service: &Service) -> String {
    let prefix = format!("      APP__SERVICES__{}", service.name.to_uppercase());
    let flag = |key: &str, types: &[String]| match types {
        [] => String::new(),
        _ => format!("{prefix}__{key}: \"true\"\n"),
    };
    let publishes = flag("PUBLISHES", &service.publishes);
    let subscribes = flag("SUBSCRIBES", &service.subscribes);
    format!("{prefix}__URL: {}\n{publishes}{subscribes}", address(service))
}

/// Where the storefront finds a mailbox.
fn mailbox_setting(tool: &Tool) -> String {
    let Program { binary, port, .. } = &tool.program;
    format!("      {}: http://{binary}:{port}\n", tool.page_setting())
}

/// What stands for something outside. Inside the network it takes mail on the port that it prefers.
fn tool_block(tool: &Tool) -> String {
    let (binary, port) = (&tool.program.binary, tool.program.port);
    let variable = format!("{}_PORT", tool.name.to_uppercase());
    let own = each(&tool.settings, |(name, value)| format!("      {name}: \"{value}\"\n"));
    format!(
        "  {binary}:
    <<: *service
    image: shop/{binary}
    build: {{ <<: *build, target: {binary} }}
    environment:
      <<: *common
{own}    ports: [\"127.0.0.1:${{{variable}:-{port}}}:{port}\"]
    healthcheck: {{ <<: *healthcheck, test: [CMD, /usr/local/bin/{binary}, healthcheck] }}

"
    )
}

fn after_migration(service: &Service) -> String {
    format!("      {}-migrate: {{ condition: service_completed_successfully }}\n", service.name)
}

fn healthy(service: &Service) -> String {
    format!("      {}: {{ condition: service_healthy }}\n", service.program.binary)
}

fn address(service: &Service) -> String {
    format!("http://{}:{}", service.program.binary, service.program.port)
}

fn database_url(service: &Service, role: &str) -> String {
    format!("postgres://{role}:{}@postgres:5432/{}", password(role), service.database)
}

fn password(role: &str) -> String {
    format!("${{{}_PASSWORD:-{}-development}}", role.to_uppercase(), role.replace('_', "-"))
}
