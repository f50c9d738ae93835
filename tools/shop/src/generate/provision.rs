//! Databases and roles.

use super::{each, fill};
use crate::registry::{Registry, Service};

/// The SQL that creates databases and roles: `deploy/postgres/provision.sql`.
pub fn provision_sql(registry: &Registry) -> String {
    let services = &registry.services;
    let roles: Vec<String> = services.iter().flat_map(Service::roles).collect();
    let lesser: Vec<String> = services.iter().flat_map(Service::lesser_roles).collect();
    let databases: Vec<String> = services.iter().map(|service| service.database.clone()).collect();
    let getenv = |role: &String| format!("\\getenv {role}_password {}_PASSWORD\n", role.to_uppercase());
    let password = |role: &String| {
        format!("alter role {role} login nosuperuser nocreatedb nocreaterole password :'{role}_password';\n")
    };
    let connect = |service: &Service| {
        format!("grant connect on database {} to {};\n", service.database, service.lesser_roles().join(", "))
    };
    let schema = |service: &Service| {
        format!(
            "\\connect {}\nrevoke create on schema public from public;\ngrant create on schema public to {};\n",
            service.database,
            service.owner()
        )
    };
    fill(
        include_str!("templates/provision.sql"),
        &[
            ("getenv", roles.iter().map(getenv).collect()),
            ("all_roles", literals(&roles)),
            ("passwords", roles.iter().map(password).collect()),
            ("lesser_roles", literals(&lesser)),
            ("databases", literals(&databases)),
            ("database_names", databases.join(", ")),
            ("connections", each(services, connect)),
            ("schemas", each(services, schema)),
        ],
    )
}

fn literals(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}
