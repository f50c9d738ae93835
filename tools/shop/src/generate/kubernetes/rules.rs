//! The alerts, for the Prometheus Operator.

use anyhow::{Context, Result};

use super::each;
use crate::generate::prometheus;
use crate::registry::Registry;

/// How the metrics begin that alerts are about: of the programs, of their servers, and of what the cluster says of both.
const METRICS: [&str; 12] = [
    "amqp_",
    "cnpg_",
    "http_server_",
    "inbox_",
    "kube_job_",
    "kubelet_volume_",
    "mail_",
    "mails_",
    "outbox_",
    "payment_",
    "payments_",
    "rabbitmq_",
];

/// The rules of `deploy/prometheus` for a Prometheus that scrapes others beside the shop.
pub(super) fn rules(registry: &Registry) -> Result<String> {
    let shop = include_str!("../../../../../deploy/prometheus/rules/shop.yml");
    let servers = include_str!("../../../../../deploy/prometheus/kubernetes/servers.yml");
    let programs = prometheus::programs(registry);
    let programs = groups("deploy/prometheus/rules/programs.yml", &programs)?;
    let servers = groups("deploy/prometheus/kubernetes/servers.yml", servers)?;
    let rules = format!("{shop}\n{programs}\n{servers}");
    let indented = each(rules.lines(), |line| match line {
        "" => "\n".to_owned(),
        line => format!("  {}\n", of_the_shop(line)),
    });
    Ok(format!(
        "# Written by `cargo shop generate` from the rules in deploy/prometheus, for a Prometheus that scrapes others too.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: shop
spec:
{indented}"
    ))
}

/// The groups of a file of rules.
fn groups<'a>(path: &str, file: &'a str) -> Result<&'a str> {
    let parts = file.split_once("\ngroups:\n");
    let (_, groups) = parts
        .with_context(|| format!("{path} has no line \"groups:\" below the comment that it begins with"))?;
    Ok(groups)
}

/// A line in whose expression every metric is the shop's.
fn of_the_shop(line: &str) -> String {
    if ["#", "summary:", "runbook:"].iter().any(|start| line.trim_start().starts_with(start)) {
        return line.to_owned();
    }
    let is_of_word = |one: char| one.is_ascii_alphanumeric() || "_:".contains(one);
    let (mut text, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(is_of_word) {
        let end = rest[start..].find(|one| !is_of_word(one)).map_or(rest.len(), |length| start + length);
        let (before, after) = rest.split_at(end);
        text.push_str(before);
        rest = after;
        if is_metric(&before[start..]) {
            let labels = after.strip_prefix('{');
            text.push_str(if labels.is_some() { "{namespace=\"shop\"," } else { "{namespace=\"shop\"}" });
            rest = labels.unwrap_or(after);
        }
    }
    text + rest
}

/// Whether a word of a rule is the name of a metric; what a rule records is of the shop already.
fn is_metric(word: &str) -> bool {
    word == "up" || METRICS.iter().any(|start| word.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn a_file_of_rules_without_groups_is_refused() {
        let error = groups("rules.yml", "# Alerts.\nrules:\n").unwrap_err().to_string();
        assert!(error.contains("rules.yml has no line \"groups:\""), "{error}");
        assert_eq!(groups("rules.yml", "# Alerts.\ngroups:\n  - name: shop\n").unwrap(), "  - name: shop\n");
    }
}
