//! Malformed messages and requests, and attempts without a right.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use shop::{home::checkout, terminal::complain};

use super::Row;
use crate::{
    faults,
    run::{Runner, Verdict},
};

/// The test that tries every operation as everybody who may not, and says how often it has.
const MATRIX: &str = "every_credential_without_the_right_is_refused";

/// The test that makes malformed requests, `MALFORMED_REQUESTS` of them.
const MALFORMED: &str = "no_malformed_request_is_answered_with_5xx";

/// The test that has events handled of which some fail, `ORDERED_EVENTS` of them.
const ORDERED: &str = "through_failures_every_event_has_its_effect_once_and_in_the_order_of_its_key";

/// Attempts that there must be.
const ATTEMPTS: usize = 300;

impl Runner {
    /// So many malformed messages, with everything checked that is checked after a fault.
    pub(super) async fn hostile_messages(&mut self, messages: u32) -> Result<Row> {
        faults::storm_of(messages);
        let outcome = self.run(&faults::named("message-storm")?, 0).await;
        let measured = match outcome.violations.first() {
            None => "no consumer exit, no innocent dead-lettered".to_owned(),
            Some(violation) => violation.clone(),
        };
        Ok(Row {
            name: "malformed messages",
            of: usize::try_from(outcome.counts.seen).unwrap_or(usize::MAX),
            measured,
            must_be: "no consumer exit, no innocent dead-lettered".to_owned(),
            met: outcome.verdict == Verdict::Pass,
        }
        .told())
    }
}

/// So many malformed requests: no answer may be a 5xx, and nothing may be changed.
pub(super) fn malformed_requests(requests: u32) -> Result<Row> {
    let wanted = usize::try_from(requests).unwrap_or(usize::MAX);
    let (passed, made) = suite_test(MALFORMED, &[("MALFORMED_REQUESTS", requests)], " malformed requests ")?;
    let met = passed && made >= wanted;
    Ok(Row {
        name: "malformed HTTP requests",
        of: made,
        measured: if met { "no 5xx, nothing changed" } else { "a 5xx, a change, or not measured" }.to_owned(),
        must_be: "no 5xx, nothing changed".to_owned(),
        met,
    }
    .told())
}

/// Attempts on every operation by everybody who may not.
pub(super) fn unauthorised() -> Result<Row> {
    let (passed, attempts) = suite_test(MATRIX, &[], " attempts on ")?;
    let met = passed && attempts >= ATTEMPTS;
    Ok(Row {
        name: "unauthorised attempts",
        of: attempts,
        measured: if met { "all refused" } else { "not all refused, or not measured" }.to_owned(),
        must_be: format!("all of ≥ {ATTEMPTS} refused"),
        met,
    }
    .told())
}

/// So many events through handlers that fail, for a while or for good: the order of no key's effects may be broken, no
/// effect may be missing or happen twice, and the keys of what fails for good are blocked, and no others.
pub(super) fn ordered_events(events: u32) -> Result<Row> {
    let unit = " events through handlers that fail";
    let (passed, handled) = suite_test(ORDERED, &[("ORDERED_EVENTS", events)], unit)?;
    let met = passed && handled >= usize::try_from(events).unwrap_or(usize::MAX);
    Ok(Row {
        name: "events through failing handlers",
        of: handled,
        measured: if met { "every effect once, in order" } else { "not so, or not measured" }.to_owned(),
        must_be: "every effect once, in order".to_owned(),
        met,
    }
    .told())
}

/// Runs a test of the suite's that counts for itself: whether it passed, and the number that it has printed
/// before `unit`, 0 where it has printed none.
fn suite_test(name: &str, settings: &[(&str, u32)], unit: &str) -> Result<(bool, usize)> {
    complain(format!("  … cargo shop test {name}"));
    let mut test = Command::new("cargo");
    test.args(["shop", "test", name, "--", "--no-capture"]).current_dir(checkout());
    test.env("NEXTEST_PROFILE", "long").envs(settings.iter().map(|(name, value)| (name, value.to_string())));
    let output = test.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = said.lines().find_map(|line| line.trim().split_once(unit)?.0.parse().ok());
    Ok((output.status.success(), number.unwrap_or(0)))
}
