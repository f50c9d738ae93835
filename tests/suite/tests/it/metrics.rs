//! What the services say about themselves to Prometheus.

use std::time::Duration;

use suite_tests::{Buyer, Merchant, Suite};
use test_kit::{Process, eventually};

const LIMIT: Duration = Duration::from_secs(20);

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
async fn every_metric_says_what_it_means_and_the_times_of_an_event_are_measured() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    Merchant::of(&catalog).price(7, "123.45").await;
    alice.until_price("123.45").await;

    for (process, histograms) in [
        (&catalog, &["http_server_request_duration_seconds"][..]),
        (&relay, &["outbox_confirm_seconds", "outbox_publish_lag_seconds"]),
        (&basket, &["inbox_handling_seconds", "inbox_end_to_end_seconds"]),
    ] {
        for histogram in histograms {
            until_counted(process, histogram).await;
        }
        let text = metrics(process).await;
        let without_help: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .filter(|name| !text.contains(&format!("# HELP {name} ")))
            .collect();
        assert!(without_help.is_empty(), "without a meaning: {without_help:?}");
    }
}
