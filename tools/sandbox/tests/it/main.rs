//! The ledger, across the lives of the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use payment_sandbox::{Ledger, Wanted};

fn wanted(order: &str) -> Wanted {
    Wanted { order_id: order.to_owned(), amount: "12.50".parse().unwrap(), currency: "EUR".to_owned() }
}

#[test]
fn a_ledger_has_after_a_restart_what_it_had_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let first = Ledger::open(Some(&path)).unwrap();
    let (charge, _) = first.charge("key-1", &wanted("order-1")).unwrap();
    first.charge("key-2", &wanted("order-2")).unwrap();
    first.refund(&charge.charge_id).unwrap();
    first.refuse("key-3").unwrap();
    let before = first.charges();
    drop(first);

    let again = Ledger::open(Some(&path)).unwrap();
    assert_eq!(again.charges(), before);
    assert_eq!(again.charges().iter().map(|charge| charge.refunded).collect::<Vec<_>>(), [true, false]);
    assert!(!again.charge("key-1", &wanted("order-1")).unwrap().1, "the key was used");
    assert_eq!(again.refuse("key-3").unwrap(), 1);
}

#[test]
fn half_a_line_that_a_killed_process_has_left_counts_as_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    Ledger::open(Some(&path)).unwrap().charge("key-1", &wanted("order-1")).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"charged\":{\"cha").unwrap();

    Ledger::open(Some(&path)).unwrap().charge("key-2", &wanted("order-2")).unwrap();
    assert_eq!(Ledger::open(Some(&path)).unwrap().charges().len(), 2);
}

/// Names the ledger in the process that the test below starts.
const FULL: &str = "LEDGER_ON_A_FULL_DISK";

#[test]
fn a_write_that_fails_half_way_counts_as_nothing_and_later_ones_count() {
    if let Some(path) = env::var_os(FULL) {
        let ledger = Ledger::open(Some(Path::new(&path))).unwrap();
        let charge = |number: &u32| ledger.charge(&format!("key-{number}"), &wanted("order-1")).is_ok();
        assert!((1..99).contains(&(0..99).take_while(charge).count()));
        // Shorter than what has failed: there is room for it.
        ledger.refuse("k").unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    // The same test, in a process whose files cannot get larger than one block.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact \
                   a_write_that_fails_half_way_counts_as_nothing_and_later_ones_count";
    let test = env::current_exe().unwrap();
    let status = Command::new("sh").args(["-c", limited]).arg(test).env(FULL, &path).status().unwrap();
    assert!(status.success());
    let again = Ledger::open(Some(&path)).unwrap();
    assert!(!again.charges().is_empty());
    assert_eq!(again.refuse("k").unwrap(), 1, "it was refused before");
}
