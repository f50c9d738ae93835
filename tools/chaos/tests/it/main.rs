//! A short selection of what `cargo shop chaos all` does, with real processes on servers of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::{Command, Output};

fn chaos(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chaos")).args(args).output().unwrap()
}

#[test]
fn there_are_more_than_thirty_faults_and_twenty_deaths_at_every_crash_point() {
    let list = String::from_utf8(chaos(&["list"]).stdout).unwrap();
    let group = |name: &str| list.lines().filter(|line| line.split_whitespace().nth(1) == Some(name)).count();
    assert_eq!(group("points"), 36, "{list}");
    assert!(list.lines().count() - group("points") - group("calls") > 30, "{list}");
}

#[test]
fn a_fault_that_is_not_there_is_refused() {
    let refused = chaos(&["run", "the-moon-falls"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no fault"));
}

#[cfg(feature = "crash-points")]
#[test]
fn a_killed_relay_hostile_messages_and_lost_confirmations_break_no_promise() {
    no_promise_is_broken_by(&["message-storm", "relay-killed-with-standby", "confirms-lost"]);
}

#[cfg(feature = "crash-points")]
#[test]
fn a_killed_ordering_breaks_no_promise() {
    no_promise_is_broken_by(&["orders-ordering-killed"]);
}

#[cfg(feature = "crash-points")]
fn no_promise_is_broken_by(faults: &[&str]) {
    let broken = chaos(&[&["run", "--json", "--seed", "20261122"], faults].concat());
    let said = String::from_utf8_lossy(&broken.stderr);
    assert!(broken.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&broken.stdout).unwrap();
    assert_eq!(report["seed"], 20_261_122, "{said}");
    let outcomes = report["faults"].as_array().unwrap();
    assert_eq!(outcomes.len(), faults.len());
    for outcome in outcomes {
        assert_eq!(outcome["verdict"], "pass", "{outcome}");
        let seen = ["lost", "twice", "out_of_order", "wrong_at_rest", "orders_broken"];
        assert_eq!(seen.map(|name| outcome[name].as_u64()), [Some(0); 5], "{outcome}");
    }
}
