//! The README's lines, run as they stand there.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use suite_tests::{Buyer, Merchant, Suite};
use test_kit::Process;

/// The shell blocks of the README that use only curl.
fn blocks() -> Vec<String> {
    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("curl") && !block.contains("cargo")).map(str::to_owned).collect()
}

fn shell(block: &str, catalog: &Process, basket: &Process) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", block])
        .env("CATALOG_URL", &catalog.url)
        .env("BASKET_URL", &basket.url)
        .env("BUYER_TOKEN", test_kit::token("alice", ""))
        .env("OPS_TOKEN", test_kit::token("operator", "catalog:write ops"));
    command
}

#[tokio::test]
async fn the_readmes_lines_work_as_pasted() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    basket.until_ready(true).await;
    let blocks = blocks();
    let [change, watch] = blocks.as_slice() else { panic!("two blocks with curl alone: {blocks:#?}") };

    let output = shell(change, &catalog, &basket).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("/problems/"), "{text}");
    let alice = Buyer::of(&basket, "alice");
    alice.until_price("12.50").await;
    assert_eq!(alice.alerts().await.len(), 1);

    let mut watching =
        shell(&format!("exec {watch}"), &catalog, &basket).stdout(Stdio::piped()).spawn().unwrap();
    let (sender, seen) = std::sync::mpsc::channel();
    let output = BufReader::new(watching.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    // Without a last event id the stream begins with what happens from now on: it says so first.
    seen.recv_timeout(Duration::from_secs(20)).expect("the stream opens");
    Merchant::of(&catalog).price(1, "14.00").await;
    let mut lines = std::iter::from_fn(|| seen.recv_timeout(Duration::from_secs(20)).ok());
    assert!(lines.any(|line| line == "event: price-alert"), "an alert arrives on the stream");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn no_build_has_crash_points_unless_it_asks_for_them() {
    for manifest in [
        include_str!("../../../../event-bus/Cargo.toml"),
        include_str!("../../../../catalog-api/Cargo.toml"),
        include_str!("../../../../basket-api/Cargo.toml"),
        include_str!("../../../../outbox-relay/Cargo.toml"),
    ] {
        // One line defines the feature. Another line that names it, such as a default, would turn it on.
        let lines: Vec<&str> = manifest.lines().filter(|line| line.contains("crash-points")).collect();
        assert!(matches!(lines[..], [line] if line.starts_with("crash-points = ")), "{lines:?}");
    }
}
