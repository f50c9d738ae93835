//! The programs: a Deployment each, with what belongs to it, and Jobs for what runs once.

use super::network::{Egress, called_by, callers, callers_of, issuer};
use super::{each, fill};
use crate::registry::{Program, Registry, Service, Tool};
use crate::token::JWKS;

/// Where a program finds its secrets.
const SECRETS: &str = "/run/secrets/shop";

/// Where the payment provider is said to be, and the setting of what it knows the shop by.
pub(super) const PROVIDER_KEY: (&str, &str) = ("APP__PROVIDER__URL", "APP__PROVIDER__KEY_FILE");

/// The Secret with the address of the mail server, under `url`.
pub(super) const MAIL: &str = "mail";

/// What a program is told.
#[derive(Default)]
pub(super) struct Settings {
    /// Maps of settings, beside the one that all have.
    maps: Vec<String>,
    /// Plain values, as YAML.
    values: Vec<(String, String)>,
    /// The variable, the Secret, its key.
    secrets: Vec<(String, String, &'static str)>,
    /// Whether it connects to PostgreSQL and so has to know by whom its certificate is signed.
    database: bool,
}

impl Settings {
    fn secret(&mut self, variable: &str, secret: String, key: &'static str) {
        self.secrets.push((variable.to_owned(), secret, key));
    }

    /// What tokens are checked with.
    fn auth(&mut self, registry: &Registry) {
        match registry.issuer() {
            Some(issuer) => {
                let Program { binary, port, .. } = &issuer.program;
                let url = format!("value: \"http://{binary}:{port}{JWKS}\"");
                self.values.push(("APP__AUTH__JWKS_URL".to_owned(), url));
            }
            None => self.secret("APP__AUTH__SECRET_FILE", "auth".to_owned(), "secret"),
        }
    }

    /// The file of a secret: its variable in small letters, without what all of them have.
    fn file(variable: &str) -> String {
        variable.trim_start_matches("APP__").trim_end_matches("_FILE").replace("__", "-").to_lowercase()
    }

    fn environment(&self) -> String {
        let maps = each([&"shop".to_owned()].into_iter().chain(&self.maps), |map| {
            format!("            - configMapRef: {{ name: {map} }}\n")
        });
        let values =
            each(&self.values, |(name, value)| format!("            - {{ name: {name}, {value} }}\n"));
        let secrets = each(&self.secrets, |(name, _, _)| {
            format!("            - {{ name: {name}, value: {SECRETS}/{} }}\n", Self::file(name))
        });
        format!("          envFrom:\n{maps}          env:\n{values}{secrets}")
    }

    fn mounts(&self) -> String {
        let source = |secret: &str, key: &str, path: &str| {
            format!("              - secret: {{ name: {secret}, items: [{{ key: {key}, path: {path} }}] }}\n")
        };
        let mut sources = each(&self.secrets, |(name, secret, key)| source(secret, key, &Self::file(name)));
        if self.database {
            sources.push_str(&source("postgres-ca", "ca.crt", "postgres-ca.crt"));
        }
        format!(
            "          volumeMounts:
            - {{ name: secrets, mountPath: {SECRETS}, readOnly: true }}
      volumes:
        - name: secrets
          projected:
            # 0440
            defaultMode: 288
            sources:
{sources}"
        )
    }
}

/// The files of the base: the services, the relay, the storefront.
pub(super) fn base(registry: &Registry) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = registry
        .services
        .iter()
        .map(|service| (service.program.binary.clone(), of_service(registry, service)))
        .collect();
    files.push((registry.relay.binary.clone(), of_relay(registry)));
    files.push((registry.storefront.binary.clone(), of_storefront(registry)));
    files
}

/// The Jobs that fill empty databases.
pub(super) fn seeds(registry: &Registry) -> String {
    let seeding = registry.services.iter().filter(|service| service.seeds);
    each(seeding, |service| job(registry, service, "seed", "demonstration"))
}

/// The `ConfigMap` that says where the thing is that this stands for.
pub(super) fn outside(tool: &Tool) -> String {
    format!("outside-{}", tool.name)
}

/// What stands for something outside.
pub(super) fn tool(registry: &Registry, tool: &Tool) -> String {
    let mut settings = Settings::default();
    let own = tool.settings.iter().map(|(name, value)| (name.clone(), format!("value: \"{value}\"")));
    settings.values.extend(own);
    settings.auth(registry);
    let callers = callers(&callers_of(registry, tool.name));
    let egress = Egress { programs: issuer(registry).collect(), ..Egress::default() };
    workload((&tool.program, tool.smtp_port), "demonstration", &settings, &callers, &egress, "")
}

fn of_service(registry: &Registry, service: &Service) -> String {
    let mut called_from = vec![registry.storefront.binary.as_str()];
    called_from.extend(callers_of(registry, service.name));
    let egress = Egress {
        database: true,
        broker: service.broker_user().is_some(),
        programs: called_by(registry, service),
        tools: registry.tools_of(service).collect(),
    };
    let jobs = job(registry, service, "migrate", "migration");
    let settings = settings_of(registry, service, &service.app());
    workload((&service.program, None), "service", &settings, &callers(&called_from), &egress, &jobs)
}

fn of_relay(registry: &Registry) -> String {
    let mut settings = Settings { database: true, ..Settings::default() };
    let name = "valueFrom: { fieldRef: { fieldPath: metadata.name } }";
    settings.values.push(("APP__RELAY__NAME".to_owned(), name.to_owned()));
    for service in &registry.services {
        let name = service.name.to_uppercase();
        for (list, role) in [("DATABASES", service.relay()), ("CONSUMERS", service.inbox_reader())] {
            if let Some(role) = role {
                settings.secret(&format!("APP__{list}__{name}__URL_FILE"), role_secret(&role), "url");
            }
        }
    }
    settings.secret("APP__BROKER__URL_FILE", "rabbitmq-relay".to_owned(), "url");
    settings.auth(registry);
    let programs = issuer(registry).collect();
    let egress = Egress { database: true, broker: true, programs, ..Egress::default() };
    let checks = each([("status", "10 5 * * *"), ("audit", "20 5 * * *")], |(command, schedule)| {
        daily(&registry.relay, command, schedule, &settings)
    });
    workload(
        (&registry.relay, None),
        "relay",
        &settings,
        &callers(&[&registry.storefront.binary]),
        &egress,
        &checks,
    )
}

fn of_storefront(registry: &Registry) -> String {
    let mut settings = Settings { maps: vec!["storefront".to_owned()], ..Settings::default() };
    for service in &registry.services {
        let prefix = format!("APP__SERVICES__{}", service.name.to_uppercase());
        settings.values.push((format!("{prefix}__URL"), address(&service.program)));
        for (key, types) in [("PUBLISHES", &service.publishes), ("SUBSCRIBES", &service.subscribes)] {
            if !types.is_empty() {
                settings.values.push((format!("{prefix}__{key}"), "value: \"true\"".to_owned()));
            }
        }
    }
    settings.values.push(("APP__RELAY__URL".to_owned(), address(&registry.relay)));
    settings.auth(registry);
    let services = registry.services.iter().map(|service| &service.program);
    let egress = Egress { programs: services.chain([&registry.relay]).collect(), ..Egress::default() };
    let ingress = "        - namespaceSelector: { matchLabels: { shop/ingress: \"true\" } }\n";
    let pods = fill(
        include_str!("../templates/kubernetes/pods.yaml"),
        &[("binary", registry.storefront.binary.clone())],
    );
    workload((&registry.storefront, None), "storefront", &settings, ingress, &egress, &pods)
}

fn settings_of(registry: &Registry, service: &Service, role: &str) -> Settings {
    let maps = vec!["services".to_owned()];
    let mut settings = Settings { maps, database: true, ..Settings::default() };
    for called in registry.called_by(service) {
        settings.values.push((format!("APP__{}__URL", called.name.to_uppercase()), address(&called.program)));
    }
    settings.secret("APP__DATABASE__URL_FILE", role_secret(role), "url");
    if let Some(user) = service.broker_user() {
        settings.secret("APP__BROKER__URL_FILE", format!("rabbitmq-{user}"), "url");
    }
    settings.auth(registry);
    if service.links {
        settings.secret("APP__LINKS__SECRET_FILE", "links".to_owned(), "secret");
    }
    if service.issuer {
        settings.maps.push("proxies".to_owned());
    }
    if service.names_pages() {
        settings.maps.push("pages".to_owned());
    }
    for tool in registry.tools_of(service) {
        settings.maps.push(outside(tool));
        if tool.smtp_port.is_some() {
            // The address of a mail server has the password in it.
            settings.secret(&format!("{}_FILE", tool.setting), MAIL.to_owned(), "url");
        }
        if tool.setting == PROVIDER_KEY.0 {
            settings.secret(PROVIDER_KEY.1, "provider".to_owned(), "key");
        }
    }
    settings
}

/// The Secret of a role of PostgreSQL.
pub(super) fn role_secret(role: &str) -> String {
    format!("postgres-{}", role.replace('_', "-"))
}

fn address(program: &Program) -> String {
    format!("value: \"http://{}:{}\"", program.binary, program.port)
}

/// A program, and a second port of it.
fn workload(
    (program, smtp_port): (&Program, Option<u16>),
    component: &str,
    settings: &Settings,
    callers: &str,
    egress: &Egress<'_>,
    jobs: &str,
) -> String {
    let ports = [Some(program.port), smtp_port].into_iter().flatten();
    let allowed: Vec<String> = ports.map(|port| format!("{{ port: {port} }}")).collect();
    fill(
        include_str!("../templates/kubernetes/workload.yaml"),
        &[
            ("summary", program.summary.clone()),
            ("binary", program.binary.clone()),
            ("port", program.port.to_string()),
            ("component", component.to_owned()),
            (
                "container_ports",
                each(smtp_port, |port| format!("            - {{ name: smtp, containerPort: {port} }}\n")),
            ),
            ("reached", reached(component).to_owned()),
            (
                "service_ports",
                each(smtp_port, |port| format!("    - {{ name: smtp, port: {port}, targetPort: smtp }}\n")),
            ),
            ("allowed_ports", allowed.join(", ")),
            ("settings", settings.environment()),
            ("mounts", settings.mounts()),
            ("callers", callers.to_owned()),
            ("egress", egress.rules()),
            ("jobs", jobs.to_owned()),
        ],
    )
}

/// A relay is not ready while the broker or a database is away. That is when operators ask it.
fn reached(component: &str) -> &'static str {
    if component == "relay" {
        "  # Operators ask a relay that is not ready what it lacks.\n  publishNotReadyAddresses: true\n"
    } else {
        ""
    }
}

/// A command of the relay's program that says once a day whether an operator has to look.
fn daily(relay: &Program, command: &str, schedule: &str, settings: &Settings) -> String {
    // A CronJob has its pod four columns deeper than a Deployment.
    let deeper = |text: &str| each(text.lines(), |line| format!("    {line}\n"));
    fill(
        include_str!("../templates/kubernetes/cronjob.yaml"),
        &[
            ("binary", relay.binary.clone()),
            ("command", command.to_owned()),
            ("schedule", schedule.to_owned()),
            ("settings", deeper(&settings.environment())),
            ("mounts", deeper(&settings.mounts())),
        ],
    )
}

/// Something that a service's program does once, as the owner of the database.
fn job(registry: &Registry, service: &Service, command: &str, component: &str) -> String {
    let settings = settings_of(registry, service, &service.owner());
    fill(
        include_str!("../templates/kubernetes/job.yaml"),
        &[
            ("name", format!("{}-{command}", service.name)),
            ("binary", service.program.binary.clone()),
            ("component", component.to_owned()),
            ("command", command.to_owned()),
            ("settings", settings.environment()),
            ("mounts", settings.mounts()),
        ],
    )
}
