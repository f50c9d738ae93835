//! The files that are written from `services.toml`.
//!
//! What is the same for every service stands in `templates/`, with `{{gaps}}` for the rest.

mod asyncapi;
mod compose;
mod definitions;
mod dockerfile;
mod kubernetes;
mod prometheus;
mod provision;

pub use definitions::{broker_definitions, password_hash};
pub use provision::provision_sql;

use anyhow::Result;

use crate::registry::Registry;

/// The release that the files are of: all crates of the workspace have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every generated file: its path in the checkout and its content.
pub fn files(registry: &Registry) -> Result<Vec<(String, String)>> {
    let single = [
        ("docker-compose.yml", compose::docker_compose(registry)),
        ("deploy/Dockerfile", dockerfile::dockerfile(registry)),
        ("deploy/postgres/provision.sql", provision_sql(registry)),
        ("deploy/rabbitmq/definitions.json", broker_definitions(registry)),
        ("deploy/prometheus/prometheus.yml", prometheus::prometheus(registry)),
        ("deploy/prometheus/rules/programs.yml", prometheus::programs(registry)),
        ("contracts/asyncapi.json", asyncapi::asyncapi(registry)),
    ];
    let single = single.into_iter().map(|(path, text)| (path.to_owned(), text));
    Ok(single.chain(kubernetes::files(registry)?).collect())
}

/// The template with its gaps filled.
fn fill(template: &str, gaps: &[(&str, String)]) -> String {
    let fill_one =
        |text: String, (gap, value): &(&str, String)| text.replace(&format!("{{{{{gap}}}}}"), value);
    gaps.iter().fold(template.to_owned(), fill_one)
}

/// One text for each, put together.
fn each<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.into_iter().map(text).collect()
}
