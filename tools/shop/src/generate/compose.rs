//! Compose.

use super::{each, fill};
use crate::registry::{Program, Registry, SANDBOX, Service};

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
            ("addresses", each(services, storefront_settings)),
            ("sandbox", each(&registry.sandbox, sandbox_block)),
            ("relay", registry.relay.binary.clone()),
            ("relay_port", registry.relay.port.to_string()),
            ("storefront_port", registry.storefront.port.to_string()),
        ],
    )
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
    let mut called = each(called(registry, service), healthy);
    if let Some(sandbox) = sandbox_of(registry, service) {
        let healthy = format!("      {}: {{ condition: service_healthy }}\n", sandbox.binary);
        called.push_str(&healthy);
    }
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
    let called = each(called(registry, service), |called| {
        format!("      APP__{}__URL: {}\n", called.name.to_uppercase(), address(called))
    });
    let provider = sandbox_of(registry, service)
        .map(|sandbox| format!("      APP__PROVIDER__URL: http://{}:{}\n", sandbox.binary, sandbox.port));
    let provider = provider.unwrap_or_default();
    format!("      <<: *common\n      APP__DATABASE__URL: {database}\n{broker}{called}{provider}")
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

/// The sandbox, if the service calls it.
fn sandbox_of<'a>(registry: &'a Registry, service: &Service) -> Option<&'a Program> {
    registry.sandbox.as_ref().filter(|_| service.calls.iter().any(|called| called == SANDBOX))
}

/// What stands for the payment provider.
fn sandbox_block(sandbox: &Program) -> String {
    let Program { binary, port, .. } = sandbox;
    format!(
        "  {binary}:
    <<: *service
    image: shop/{binary}
    build: {{ <<: *build, target: {binary} }}
    environment:
      <<: *common
      APP__HTTP__REQUEST_TIMEOUT_MS: \"3600000\"
    ports: [\"127.0.0.1:${{SANDBOX_PORT:-{port}}}:{port}\"]
    healthcheck: {{ <<: *healthcheck, test: [CMD, /usr/local/bin/{binary}, healthcheck] }}

"
    )
}

fn called<'a>(registry: &'a Registry, service: &'a Service) -> impl Iterator<Item = &'a Service> {
    registry.services.iter().filter(|other| service.calls.iter().any(|called| called == other.name))
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
