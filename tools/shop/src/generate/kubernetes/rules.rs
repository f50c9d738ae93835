//! The alerts, for the Prometheus Operator.

use super::each;

/// `deploy/prometheus/rules/shop.yml` for a Prometheus that scrapes others beside the shop.
pub(super) fn rules() -> String {
    let rules = include_str!("../../../../../deploy/prometheus/rules/shop.yml");
    let indented = each(rules.lines(), |line| match line {
        "" => "\n".to_owned(),
        line => format!("  {}\n", of_the_shop(line)),
    });
    format!(
        "# Written by `cargo shop generate` from deploy/prometheus/rules/shop.yml, for a Prometheus that scrapes others too.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: shop
spec:
{indented}"
    )
}

/// A line in whose expression every metric that others expose too is the shop's.
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
        if is_shared(&before[start..]) {
            let labels = after.strip_prefix('{');
            text.push_str(if labels.is_some() { "{namespace=\"shop\"," } else { "{namespace=\"shop\"}" });
            rest = labels.unwrap_or(after);
        }
    }
    text + rest
}

/// Whether programs other than the shop's expose a metric of this name.
fn is_shared(metric: &str) -> bool {
    metric == "up" || metric.starts_with("http_server_") || metric.starts_with("rabbitmq_")
}
