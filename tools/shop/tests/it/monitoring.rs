//! What stands in `deploy/prometheus` and `deploy/grafana` is about metrics and pages that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use shop::home::checkout;
use shop::registry::Registry;

/// Metrics of others: `CloudNativePG`, kube-state-metrics, the kubelet, RabbitMQ's plugin, and what Prometheus itself says
/// of a target.
const OF_OTHERS: [&str; 11] = [
    "cnpg_pg_replication_in_recovery",
    "cnpg_pg_replication_streaming_replicas",
    "cnpg_pg_stat_archiver_last_archived_time",
    "cnpg_pg_stat_archiver_last_failed_time",
    "kube_job_failed",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_detailed_queue_messages_ready",
    "up",
];

fn read(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap()
}

/// The rules of all groups, as a cluster has them: the others are among them.
fn rules() -> Vec<Value> {
    let object: Value =
        serde_saphyr::from_str(&read("deploy/kubernetes/components/monitoring/rules.yaml")).unwrap();
    let groups = object["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let files = fs::read_dir(checkout().join("deploy/grafana/dashboards")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files
        .map(|path| (path.clone(), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()))
        .collect()
}

/// The names in docs/metrics.md, which another test compares with what the processes expose.
fn documented() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.map(str::to_owned).collect()
}

/// The names of metrics in an expression: words that no bracket follows, outside of labels, ranges and lists of labels.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    let (mut depth, mut chars) = (0, expression.chars());
    while let Some(one) = chars.next() {
        match one {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' if depth > 0 => drop(chars.by_ref().find(|end| *end == '"')),
            _ if depth == 0 => plain.push(one),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    let mut rest = plain.as_str();
    while let Some(start) = rest.find(|one: char| one.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let end = rest.find(|one: char| !(one.is_ascii_alphanumeric() || "_:".contains(one)));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        let next = after.trim_start();
        if word == "by" {
            rest = next.split_once(')').map_or("", |(_, rest)| rest);
        } else if !next.starts_with('(')
            && !next.starts_with("by ")
            && !["and", "or", "unless"].contains(&word)
        {
            names.insert(word.to_owned());
        }
    }
    names
}

/// A series of a histogram as the metric it belongs to.
fn metric(series: &str) -> &str {
    let ends = ["_bucket", "_count", "_sum"];
    let whole =
        ends.iter().find_map(|end| series.strip_suffix(end).filter(|name| name.ends_with("_seconds")));
    whole.unwrap_or(series)
}

#[test]
fn every_metric_that_a_rule_or_a_dashboard_names_is_one_that_a_process_exposes() {
    let documented = documented();
    let recorded: BTreeSet<String> =
        rules().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect();
    let mut expressions: Vec<(String, String)> = rules()
        .iter()
        .map(|rule| (rule["alert"].to_string(), rule["expr"].as_str().unwrap().to_owned()))
        .collect();
    for (path, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array().unwrap().iter();
            let own = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
            expressions
                .extend(own.map(|expression| (format!("{} {}", path.display(), panel["title"]), expression)));
        }
    }
    assert!(expressions.len() > 60, "{}", expressions.len());
    for (place, expression) in expressions {
        let names = metrics_of(&expression);
        assert!(!names.is_empty(), "{place}: no metric in {expression}");
        for name in names {
            let is_known = documented.contains(metric(&name))
                || recorded.contains(&name)
                || OF_OTHERS.contains(&name.as_str());
            assert!(is_known, "{place}: {name} is in no process, by docs/metrics.md");
        }
    }
}

#[test]
fn every_alert_names_a_section_of_the_runbook_and_says_how_urgent_it_is() {
    let runbook = read("docs/runbook.md");
    let headings: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| {
            let kept = heading.chars().filter(|one| one.is_alphanumeric() || " -".contains(*one));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect();
    let rules = rules();
    let alerts: Vec<&Value> = rules.iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.len() > 20, "{}", alerts.len());
    for alert in &alerts {
        let page = alert["annotations"]["runbook"].as_str().unwrap();
        let anchor = page.strip_prefix("docs/runbook.md#").unwrap();
        assert!(headings.contains(anchor), "{}: the runbook has no section {anchor}", alert["alert"]);
        assert!(["page", "ticket"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert}");
        assert!(alert["annotations"]["summary"].is_string(), "{alert}");
    }
}

#[test]
fn on_a_cluster_no_alert_is_about_programs_of_others() {
    let mut checked = 0;
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        // What a rule records is of the shop already.
        for metric in metrics_of(expression).iter().filter(|name| !name.contains(':')) {
            let ours = format!("{metric}{{namespace=\"shop\"");
            assert_eq!(
                expression.matches(metric.as_str()).count(),
                expression.matches(&ours).count(),
                "{expression}"
            );
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_program_of_which_no_process_runs_is_an_alert() {
    let registry = Registry::of_checkout().unwrap();
    let services = registry.services.iter().map(|service| &service.program);
    for program in services.chain([&registry.relay, &registry.storefront]) {
        let absent = format!("absent(up{{namespace=\"shop\",job=\"{}\"}} == 1)", program.binary);
        assert!(rules().iter().any(|rule| rule["expr"] == absent.as_str()), "{}", program.binary);
    }
}

#[test]
fn prometheus_asks_every_program_and_every_dashboard_asks_prometheus() {
    let file: Value = serde_saphyr::from_str(&read("deploy/prometheus/prometheus.yml")).unwrap();
    let jobs = file["scrape_configs"].as_array().unwrap();
    let registry = Registry::of_checkout().unwrap();
    let services = registry.services.iter().map(|service| &service.program);
    for program in services.chain([&registry.relay, &registry.storefront]) {
        let job = jobs.iter().find(|job| job["job_name"] == program.binary.as_str()).unwrap();
        let target = format!("{}:{}", program.binary, program.port);
        assert_eq!(job["static_configs"][0]["targets"][0], target.as_str());
    }
    let sources = read("deploy/grafana/provisioning/datasources/prometheus.yml");
    let sources: Value = serde_saphyr::from_str(&sources).unwrap();
    let uid = &sources["datasources"][0]["uid"];
    let mut uids = BTreeSet::new();
    for (path, dashboard) in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{}", path.display());
        for panel in dashboard["panels"].as_array().unwrap() {
            assert_eq!(&panel["datasource"]["uid"], uid, "{}", path.display());
        }
    }
}
