//! What the programs say about themselves to Prometheus, and `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use suite_tests::{Accounts, Buyer, Mail, Merchant, Orders, Suite};
use test_kit::{Process, eventually};

use crate::orders::{Shopper, price, stock_up};

const LIMIT: Duration = Duration::from_secs(20);

/// What stands above the table.
const HEAD: &str = "# Metrics

What each program says at `/metrics`, in Prometheus's text form. Times are in seconds; a counter counts from the start of its process.
Labels have few values: no ids, no names of people. `http_route` is the route's pattern, not the address that was asked for.
[deploy/prometheus](../deploy/prometheus) has alerts about them, [deploy/grafana](../deploy/grafana) three dashboards.

This page is generated: `UPDATE_METRICS=1 cargo shop test -- -E 'test(metrics_md)'`.

| metric | type | unit | labels | | programs |
|---|---|---|---|---|---|
";

/// Appears when it happens: a name, its type, labels, and where its meaning is.
const LATER: (&str, &str, [&str; 2], &str) = (
    "outbox_held_back_events",
    "gauge",
    ["database", "type"],
    "Events of a type that the broker does not take at the moment.",
);

/// A metric, over all programs.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    programs: BTreeSet<&'static str>,
}

async fn metrics(of: &Process) -> String {
    reqwest::get(format!("{}/metrics", of.url)).await.unwrap().text().await.unwrap()
}

/// Waits until a histogram has counted something.
async fn until_counted(of: &Process, histogram: &str) {
    let count = format!("{histogram}_count");
    eventually(histogram, LIMIT, async || {
        let text = metrics(of).await;
        let mut lines = text.lines().filter(|line| line.starts_with(&count));
        lines.any(|line| !line.ends_with(" 0")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn metrics_md_lists_every_metric_with_its_meaning_and_the_times_of_an_event_are_measured() {
    let suite = Suite::set_up().await;
    stock_up(&suite.catalog.pool, 10).await;
    let total = price(&suite.catalog.pool).await;
    let catalog = suite.start_catalog(&[]);
    let orders = Orders::open(&suite).await;
    let relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let storefront = suite.start_storefront(&catalog, &basket, &[("APP__RELAY__URL", relay.url.as_str())]);

    let (accounts, mail) = (Accounts::open(&suite).await, Mail::open(&suite).await);
    assert_eq!(accounts.register("Ada", "ada@example.org", "correct horse battery").await, 202);

    let shopper = Shopper::of(&orders.ordering, "bob");
    let order = shopper.orders("k1", (1, &total), "tok_ok").await;
    assert_eq!(shopper.until_final(&order).await["status"], "paid");
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    Merchant::of(&catalog).price(7, "123.45").await;
    alice.until_price("123.45").await;

    let handled = &["inbox_handling_seconds", "inbox_end_to_end_seconds"][..];
    let programs = [
        ("catalog-api", &catalog, handled),
        ("basket-api", &basket, handled),
        ("ordering-api", &orders.ordering, handled),
        ("payment-processor", &orders.payment, handled),
        ("accounts-api", &accounts.accounts, handled),
        ("notifier", &mail.notifier, handled),
        ("outbox-relay", &relay, &["outbox_confirm_seconds", "outbox_publish_lag_seconds"]),
        ("storefront", &storefront, &[]),
    ];
    let mut found = BTreeMap::new();
    for (name, process, histograms) in programs {
        process.until_ready(true).await;
        for histogram in histograms.iter().chain(&["http_server_request_duration_seconds"]) {
            until_counted(process, histogram).await;
        }
        if name == "outbox-relay" {
            // These are read from time to time.
            eventually("the log's figures", LIMIT, async || {
                let text = metrics(process).await;
                (text.contains("outbox_relays") && text.contains("outbox_unrouted_messages")).then_some(())
            })
            .await;
        }
        add(&mut found, name, &metrics(process).await);
    }
    let (name, kind, labels, help) = LATER;
    found.entry(name.to_owned()).or_insert_with(|| Metric {
        kind: kind.to_owned(),
        help: help.to_owned(),
        labels: labels.map(str::to_owned).into(),
        programs: ["outbox-relay"].into(),
    });

    let without_help: Vec<&String> =
        found.iter().filter(|(_, one)| one.help.is_empty()).map(|(name, _)| name).collect();
    assert!(without_help.is_empty(), "without a meaning: {without_help:?}");
    for (name, metric) in &found {
        assert_eq!(
            metric.kind == "counter",
            name.ends_with("_total"),
            "{name}: counters, and they alone, end in _total"
        );
        assert!(metric.kind != "histogram" || name.ends_with("_seconds"), "{name} has no unit");
    }
    let page = page(&found);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_METRICS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = page.lines().filter(|line| !committed.lines().any(|other| other == *line));
    let differing: Vec<&str> = differing.collect();
    assert!(committed == page, "docs/metrics.md is out of date, see its head: {differing:#?}");
}

/// Adds what a program exposes.
fn add(found: &mut BTreeMap<String, Metric>, program: &'static str, text: &str) {
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let metric = found.entry(name.to_owned()).or_default();
        kind.clone_into(&mut metric.kind);
        metric.programs.insert(program);
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        help.clone_into(&mut found.get_mut(name).unwrap().help);
    }
    for line in text.lines().filter(|line| !line.starts_with('#') && line.contains('{')) {
        let (series, rest) = line.split_once('{').unwrap();
        let ends = ["_bucket", "_count", "_sum"].iter().filter_map(|end| series.strip_suffix(end));
        let name = ends.chain([series]).find(|name| found.contains_key(*name)).unwrap();
        let labels = rest.split("=\"").filter_map(|part| part.rsplit(['"', ',', '{']).next());
        let labels = labels.filter(|label| !label.is_empty() && *label != "le" && !label.starts_with('}'));
        found.get_mut(name).unwrap().labels.extend(labels.map(str::to_owned));
    }
}

/// The page.
fn page(found: &BTreeMap<String, Metric>) -> String {
    let everybody = &found["build_info"].programs;
    let services = &found["db_pool_connections"].programs;
    let mut page = HEAD.to_owned();
    for (name, Metric { kind, help, labels, programs }) in found {
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or_default();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let who = if programs == everybody {
            "every program".to_owned()
        } else if programs == services {
            "every service".to_owned()
        } else {
            programs.iter().copied().collect::<Vec<_>>().join(", ")
        };
        writeln!(page, "| `{name}` | {kind} | {unit} | {} | {help} | {who} |", labels.join(", ")).unwrap();
    }
    page
}
