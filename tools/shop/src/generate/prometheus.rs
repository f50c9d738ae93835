//! What Prometheus asks.

use super::{each, fill};
use crate::registry::{Program, Registry};

/// `deploy/prometheus/prometheus.yml`: every program is a job of its own name.
pub(super) fn prometheus(registry: &Registry) -> String {
    let job = |Program { binary, port, .. }: &Program| {
        format!("  - job_name: {binary}\n    static_configs:\n      - targets: [\"{binary}:{port}\"]\n")
    };
    let programs = registry.services.iter().map(|service| &service.program);
    let programs = programs.chain([&registry.relay, &registry.storefront]);
    fill(include_str!("templates/prometheus.yml"), &[("jobs", each(programs, job))])
}
