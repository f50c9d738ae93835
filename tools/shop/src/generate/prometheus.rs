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

/// `deploy/prometheus/rules/programs.yml`: one alert for each program. That of the relays is in `shop.yml`.
pub(super) fn programs(registry: &Registry) -> String {
    let alert = |Program { binary, .. }: &Program| {
        format!(
            "      - alert: NoProcess
        expr: absent(up{{job=\"{binary}\"}} == 1)
        for: 2m
        labels: {{ severity: page, job: {binary} }}
        annotations:
          summary: No process of {binary} answers
          runbook: docs/runbook.md#no-process-of-a-program-answers
"
        )
    };
    let programs = registry.services.iter().map(|service| &service.program);
    let alerts = each(programs.chain([&registry.storefront]), alert);
    fill(include_str!("templates/programs.yml"), &[("alerts", alerts)])
}
