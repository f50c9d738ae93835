//! Each check fails for what it is there for, and for nothing else.

use std::collections::HashSet;

use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::{
    check::{
        evidence::{InboxRow, LogRow},
        probe::Sighting,
    },
    stage::Taken,
};

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Two price changes of product 1, which chaos-anna holds, and all as it should be.
fn well() -> Evidence {
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
    Evidence {
        log: numbers.map(row).to_vec(),
        inbox: numbers.map(received).to_vec(),
        alerts: numbers.map(|n| ((id(n), "chaos-anna".to_owned()), 1)).into(),
        sightings: numbers.map(sighting).to_vec(),
        promised: numbers.map(id).to_vec(),
        ..Evidence::default()
    }
}

fn sighting(n: u128) -> Sighting {
    Sighting {
        id: id(n),
        key: "1".to_owned(),
        version: i64::try_from(n).unwrap_or_default(),
        at: Instant::now(),
        is_repeat: false,
    }
}

fn violations(spoil: impl FnOnce(&mut Evidence)) -> Findings {
    let mut evidence = well();
    spoil(&mut evidence);
    let findings = judge(&evidence, &Expected::default());
    assert!(!findings.violations.is_empty(), "it went unnoticed");
    findings
}

#[test]
fn a_run_in_which_all_is_well_has_no_violation() {
    assert_eq!(judge(&well(), &Expected::default()), Findings::default());
}

#[test]
fn a_promised_event_that_no_log_has_is_lost() {
    assert_eq!(violations(|evidence| evidence.promised.push(id(9))).lost, 1);
}

#[test]
fn a_committed_event_that_was_never_received_is_lost() {
    assert_eq!(violations(|evidence| drop(evidence.inbox.pop())).lost, 1);
}

#[test]
fn an_event_that_only_the_probe_is_bound_for_must_be_seen_by_it() {
    let mut evidence = well();
    evidence.log[1].event_type = ONLY_PROBED.to_owned();
    evidence.inbox.pop();
    assert_eq!(judge(&evidence, &Expected::default()).violations.len(), 0);
    evidence.sightings.pop();
    assert_eq!(judge(&evidence, &Expected::default()).lost, 1);
}

#[test]
fn an_event_that_was_received_and_never_committed_is_a_violation() {
    violations(|evidence| evidence.strangers.push(id(9)));
}

#[test]
fn an_alert_too_many_is_an_effect_twice() {
    let findings = violations(|evidence| evidence.alerts.values_mut().for_each(|count| *count = 2));
    assert_eq!(findings.twice, 2);
}

#[test]
fn an_applied_event_that_a_holder_was_not_told_of_is_lost() {
    assert_eq!(violations(|evidence| evidence.alerts.clear()).lost, 2);
}

#[test]
fn a_cart_with_another_price_is_wrong_at_rest() {
    let findings = violations(|evidence| evidence.wrong_prices.push("anna pays too much".to_owned()));
    assert_eq!(findings.wrong_at_rest, 1);
}

#[test]
fn an_older_version_applied_after_a_newer_one_is_out_of_order() {
    assert_eq!(violations(|evidence| evidence.inbox.reverse()).out_of_order, 1);
}

#[test]
fn a_first_publication_before_an_earlier_one_is_out_of_order() {
    assert_eq!(violations(|evidence| evidence.sightings.reverse()).out_of_order, 1);
}

#[test]
fn a_repeat_of_an_earlier_event_is_not_out_of_order() {
    let mut evidence = well();
    evidence.sightings.push(Sighting { is_repeat: true, ..sighting(1) });
    let findings = judge(&evidence, &Expected::default());
    assert_eq!((findings.repeats, findings.violations.len()), (1, 0));
    let nobody_repeats = Expected { repeats: Repeats::None, ..Expected::default() };
    assert_eq!(judge(&evidence, &nobody_repeats).violations.len(), 1);
}

#[test]
fn a_row_marked_published_that_nobody_has_is_dishonest() {
    let findings = violations(|evidence| {
        evidence.sightings.pop();
        evidence.inbox.pop();
    });
    assert!(findings.violations.iter().any(|text| text.starts_with("marked published")));
}

#[test]
fn an_innocent_dead_letter_and_a_missing_poison_are_violations() {
    let letter = Taken { message_id: None, reason: "x".to_owned(), is_poison: false };
    violations(|evidence| evidence.dead.push(letter.clone()));
    let expected = Expected { poison: 1, ..Expected::default() };
    assert_eq!(judge(&well(), &expected).violations.len(), 1);
    let mut evidence = well();
    evidence.dead.push(Taken { is_poison: true, ..letter });
    assert_eq!(judge(&evidence, &expected).violations.len(), 0);
}

#[test]
fn an_unroutable_event_must_be_with_the_unrouted() {
    let expected = Expected { unrouted: HashSet::from([id(2)]), ..Expected::default() };
    assert_eq!(judge(&well(), &expected).lost, 1);
    let mut evidence = well();
    evidence.inbox.pop();
    evidence.unrouted.insert(id(2));
    assert_eq!(judge(&evidence, &expected).violations.len(), 0);
}

#[test]
fn the_recovery_ends_with_the_last_arrival_of_what_was_committed_before_the_mending() {
    let mut evidence = well();
    assert_eq!(evidence.recovery(12.0), Some(0.5));
    assert_eq!(evidence.recovery(13.0), Some(0.0));
    assert_eq!(evidence.recovery(9.0), None);
    evidence.inbox.clear();
    assert_eq!(evidence.recovery(12.0), None);
}
