//! `deploy/kubernetes`: a base for kustomize, components and two overlays.
//!
//! What runs is the same as in `docker-compose.yml`, by the operators' resources where there are operators.

mod network;
mod overlays;
mod rules;
mod servers;
mod workload;

use anyhow::Result;

use super::{each, fill};
use crate::registry::Registry;

/// Where all of it is.
const FOLDER: &str = "deploy/kubernetes";

/// Every generated file of the folder: its path in the checkout and its content.
pub(super) fn files(registry: &Registry) -> Result<Vec<(String, String)>> {
    let programs = workload::base(registry);
    let mut resources: Vec<String> =
        ["namespace", "network", "postgres", "rabbitmq"].map(str::to_owned).into();
    resources.extend(programs.iter().map(|(name, _)| name.clone()));
    let listed = each(&resources, |name| format!("  - {name}.yaml\n"))
        + "  # The SQL of the Job `provision`.\n  - ../../postgres\n";
    let base = [
        (
            "kustomization",
            fill(
                include_str!("../templates/kubernetes/kustomization.yaml"),
                &[
                    ("resources", listed),
                    ("addresses", overlays::addresses(registry)),
                    ("storefront", registry.storefront.binary.clone()),
                ],
            ),
        ),
        ("namespace", include_str!("../templates/kubernetes/namespace.yaml").to_owned()),
        ("network", network::of_servers(registry)),
        ("postgres", servers::postgres(registry)),
        ("rabbitmq", servers::rabbitmq(registry)),
    ];
    let base = base.into_iter().map(|(name, text)| (name.to_owned(), text)).chain(programs);
    let base = base.map(|(name, text)| (format!("{FOLDER}/base/{name}.yaml"), text));
    let others =
        overlays::files(registry)?.into_iter().map(|(path, text)| (format!("{FOLDER}/{path}"), text));
    Ok(base.chain(others).collect())
}
