//! What all faults together have left intact.

use super::Row;
use crate::{
    check::Found,
    run::{Outcome, Verdict},
};

/// Events that must have been committed for "none was lost" to say something.
const EVENTS: usize = 1_000_000;

/// Outside faults that there must be.
const FAULTS: usize = 30;

/// What a relay or a basket may have in memory, in MiB.
const MEMORY: u64 = 64;

/// The lines about the runs of all faults; `heaviest` is what the largest relay or basket had in memory, in
/// bytes, while very many events were pending.
pub(super) fn rows(outcomes: &[Outcome], heaviest: u64) -> Vec<Row> {
    let (points, rest): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.group == "points");
    let (calls, outside): (Vec<_>, Vec<_>) = rest.into_iter().partition(|outcome| outcome.group == "calls");
    let committed = outcomes.iter().map(|outcome| outcome.counts.found.committed).sum();
    let sum =
        |of: fn(&Found) -> usize| outcomes.iter().map(|outcome| of(&outcome.counts.found)).sum::<usize>();
    let none = |name, broken: usize, enough: bool, must_be: String| Row {
        name,
        of: committed,
        measured: broken.to_string(),
        must_be,
        met: broken == 0 && enough,
    };
    let mib = heaviest.div_ceil(1024 * 1024);
    let all = [
        survived("crash points survived, twenty kills each", &points, 1),
        survived("calls cut one by one, until an event needs no more", &calls, 1),
        survived("outside faults survived", &outside, FAULTS),
        none("events lost", sum(|found| found.lost), committed >= EVENTS, format!("0 of ≥ {EVENTS}")),
        none("effects twice", sum(|found| found.twice), true, "0".to_owned()),
        none("final prices wrong", sum(|found| found.wrong_at_rest), true, "0".to_owned()),
        none("key order broken", sum(|found| found.out_of_order), true, "0".to_owned()),
        Row {
            name: "resident memory of a relay or basket in the flood (unoptimised build)",
            of: 1,
            measured: format!("{mib} MiB"),
            must_be: format!("≤ {MEMORY} MiB"),
            met: (1..=MEMORY).contains(&mib),
        },
    ];
    all.into_iter().map(Row::told).collect()
}

fn survived(name: &'static str, outcomes: &[&Outcome], at_least: usize) -> Row {
    let passed = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    Row {
        name,
        of: outcomes.len(),
        measured: passed.to_string(),
        must_be: if at_least > 1 { format!("all of ≥ {at_least}") } else { "all".to_owned() },
        met: passed == outcomes.len() && passed >= at_least,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    /// What every fault has left, with so many events committed in each.
    fn outcomes(committed: usize) -> Vec<Outcome> {
        let passed = |fault| {
            let mut outcome = Outcome { verdict: Verdict::Pass, ..Outcome::failed(fault, String::new()) };
            outcome.counts.found.committed = committed;
            outcome
        };
        faults::all().iter().map(passed).collect()
    }

    fn met(outcomes: &[Outcome], heaviest: u64, name: &str) -> bool {
        rows(outcomes, heaviest).iter().any(|row| row.name == name && row.met)
    }

    #[test]
    fn a_suite_that_survives_everything_meets_every_line() {
        assert!(rows(&outcomes(20_000), 1).iter().all(|row| row.met));
    }

    #[test]
    fn none_lost_of_too_few_events_is_not_met() {
        assert!(!met(&outcomes(10), 1, "events lost"));
    }

    #[test]
    fn one_lost_event_one_void_run_or_no_weight_at_all_is_not_met() {
        let mut all = outcomes(20_000);
        all[0].counts.found.lost = 1;
        assert!(!met(&all, 1, "events lost"));
        all.iter_mut().find(|outcome| outcome.name == "calm").unwrap().verdict = Verdict::Void;
        assert!(!met(&all, 1, "outside faults survived"));
        let memory = "resident memory of a relay or basket in the flood (unoptimised build)";
        assert!(met(&all, 1, memory) && !met(&all, 0, memory));
    }
}
