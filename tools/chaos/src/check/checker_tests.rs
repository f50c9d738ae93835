//! Each check fails for what it is there for, and for nothing else.

use std::collections::HashSet;

use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::check::{
    observations::{DeadLetter, InboxRow, LogRow},
    recorder::Publication,
};

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Two price changes of product 1, which chaos-anna holds, and all as it should be.
fn well() -> Observations {
    let numbers = [1_u128, 2];
    let row = |n: u128| LogRow {
        event_id: id(n),
        event_type: PRICE_CHANGED.to_owned(),
        position: i64::try_from(n).unwrap_or_default(),
        key: "1".to_owned(),
        state: "Published".to_owned(),
        is_skipped: false,
        created: 10.0,
    };
    let received = |n: u128| InboxRow {
        event_id: id(n),
        event_type: PRICE_CHANGED.to_owned(),
        key: "1".to_owned(),
        key_version: i64::try_from(n).unwrap_or_default(),
        applied: true,
        received: 12.5,
    };
    Observations {
        log: numbers.map(row).to_vec(),
        inbox: numbers.map(received).to_vec(),
        alerts: numbers.map(|n| ((id(n), "chaos-anna".to_owned()), 1)).into(),
        publications: numbers.map(publication).to_vec(),
        promised: numbers.map(id).to_vec(),
        ..Observations::default()
    }
}

fn publication(n: u128) -> Publication {
    Publication {
        id: id(n),
        key: "1".to_owned(),
        version: i64::try_from(n).unwrap_or_default(),
        at: Instant::now(),
        is_repeat: false,
    }
}

fn violations(spoil: impl FnOnce(&mut Observations)) -> Findings {
    let mut observations = well();
    spoil(&mut observations);
    let findings = check(&observations, &Expected::default());
    assert!(!findings.violations.is_empty(), "it went unnoticed");
    findings
}

#[test]
fn a_run_in_which_all_is_well_has_no_violation() {
    assert_eq!(check(&well(), &Expected::default()), Findings::default());
}

#[test]
fn a_promised_event_that_no_log_has_is_lost() {
    assert_eq!(violations(|observations| observations.promised.push(id(9))).found.lost, 1);
}

#[test]
fn a_committed_event_that_was_never_received_is_lost() {
    assert_eq!(violations(|observations| drop(observations.inbox.pop())).found.lost, 1);
}

#[test]
fn an_event_that_only_the_probe_is_bound_for_must_be_seen_by_it() {
    let mut observations = well();
    observations.log[1].event_type = ONLY_RECORDED.to_owned();
    observations.inbox.pop();
    assert_eq!(check(&observations, &Expected::default()).violations.len(), 0);
    observations.publications.pop();
    assert_eq!(check(&observations, &Expected::default()).found.lost, 1);
}

#[test]
fn an_event_that_was_received_and_never_committed_is_a_violation() {
    violations(|observations| observations.strangers.push(id(9)));
}

#[test]
fn an_alert_too_many_is_an_effect_twice() {
    let findings = violations(|observations| observations.alerts.values_mut().for_each(|count| *count = 2));
    assert_eq!(findings.found.twice, 2);
}

#[test]
fn an_applied_event_that_a_holder_was_not_told_of_is_lost() {
    assert_eq!(violations(|observations| observations.alerts.clear()).found.lost, 2);
}

#[test]
fn a_cart_with_another_price_is_wrong_at_rest() {
    let findings = violations(|observations| observations.wrong_prices.push("anna pays too much".to_owned()));
    assert_eq!(findings.found.wrong_at_rest, 1);
}

#[test]
fn an_older_version_applied_after_a_newer_one_is_out_of_order() {
    assert_eq!(violations(|observations| observations.inbox.reverse()).found.out_of_order, 1);
}

#[test]
fn a_first_publication_before_an_earlier_one_is_out_of_order() {
    assert_eq!(violations(|observations| observations.publications.reverse()).found.out_of_order, 1);
}

#[test]
fn a_repeat_of_an_earlier_event_is_not_out_of_order() {
    let mut observations = well();
    observations.publications.push(Publication { is_repeat: true, ..publication(1) });
    let findings = check(&observations, &Expected::default());
    assert_eq!((findings.found.repeats, findings.violations.len()), (1, 0));
    let nobody_repeats = Expected { repeats: Repeats::None, ..Expected::default() };
    assert_eq!(check(&observations, &nobody_repeats).violations.len(), 1);
}

#[test]
fn a_row_marked_published_that_nobody_has_is_dishonest() {
    let findings = violations(|observations| {
        observations.publications.pop();
        observations.inbox.pop();
    });
    assert!(findings.violations.iter().any(|text| text.starts_with("marked published")));
}

#[test]
fn an_innocent_dead_letter_and_a_missing_poison_are_violations() {
    let letter = DeadLetter { message_id: None, reason: "x".to_owned(), is_poison: false };
    violations(|observations| observations.dead.push(letter.clone()));
    let expected = Expected { poison: 1, ..Expected::default() };
    assert_eq!(check(&well(), &expected).violations.len(), 1);
    let mut observations = well();
    observations.dead.push(DeadLetter { is_poison: true, ..letter });
    assert_eq!(check(&observations, &expected).violations.len(), 0);
}

#[test]
fn an_unroutable_event_must_be_with_the_unrouted() {
    let expected = Expected { unrouted: HashSet::from([id(2)]), ..Expected::default() };
    assert_eq!(check(&well(), &expected).found.lost, 1);
    let mut observations = well();
    observations.inbox.pop();
    observations.unrouted.insert(id(2));
    assert_eq!(check(&observations, &expected).violations.len(), 0);
}

#[test]
fn the_recovery_ends_with_the_last_arrival_of_what_was_committed_before_the_mending() {
    let mut observations = well();
    assert_eq!(observations.recovery(12.0), Some(0.5));
    assert_eq!(observations.recovery(13.0), Some(0.0));
    assert_eq!(observations.recovery(9.0), None);
    observations.inbox.clear();
    assert_eq!(observations.recovery(12.0), None);
}
