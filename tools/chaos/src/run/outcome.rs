//! What came of a run.

use std::fmt;

use serde::Serialize;

use super::Timeline;
use crate::{
    check::{Findings, Found, Repeats},
    faults::{Fault, Injection},
};
use harness::percentile;

/// Operations that must have been done for a run to say anything.
const ENOUGH: u64 = 40;

/// Orders that must have been placed where they are what is checked.
pub(crate) const ENOUGH_ORDERS: usize = 20;

/// Users that must have registered where they are what is checked.
pub(crate) const ENOUGH_USERS: usize = 20;

/// Whether the suite has kept its promises; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All of them.
    Pass,
    /// The run does not say: the fault was not seen to happen, or too little was done.
    Void,
    /// Not all.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Void => "void",
        })
    }
}

/// What is counted in the runs of a fault.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    /// How often the fault was seen to happen.
    pub(crate) seen: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
    #[serde(flatten)]
    pub(crate) found: Found,
}

/// One fault's line in the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) about: &'static str,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) recovery_p50_s: Option<f64>,
    pub(crate) recovery_p99_s: Option<f64>,
    pub(crate) verdict: Verdict,
    /// Each broken promise, in words.
    pub(crate) violations: Vec<String>,
    /// How long the run took.
    pub(crate) seconds: f64,
    /// The recoveries of all repeats, in seconds.
    #[serde(skip)]
    pub(crate) recoveries: Vec<f64>,
    #[serde(skip)]
    pub(crate) timeline: Timeline,
}

impl Outcome {
    pub(crate) fn of(
        fault: &Fault,
        injection: &Injection,
        (ok, failed, unknown): (u64, u64, u64),
        findings: Findings,
        recovery: Option<f64>,
        timeline: Timeline,
    ) -> Self {
        let is_void = injection.seen == 0
            || ok < ENOUGH
            || (fault.has_orders && findings.found.orders < ENOUGH_ORDERS)
            || (fault.has_users && findings.found.users < ENOUGH_USERS)
            || (injection.expected.repeats == Repeats::Provoked && findings.found.repeats == 0);
        let verdict = match (findings.violations.is_empty(), is_void) {
            (false, _) => Verdict::Fail,
            (true, true) => Verdict::Void,
            (true, false) => Verdict::Pass,
        };
        Self {
            counts: Counts { seen: injection.seen, ok, failed, unknown, found: findings.found },
            recovery_p50_s: recovery,
            recovery_p99_s: recovery,
            verdict,
            violations: findings.violations,
            recoveries: recovery.into_iter().collect(),
            timeline,
            ..Self::failed(fault, String::new())
        }
    }

    pub(crate) fn failed(fault: &Fault, why: String) -> Self {
        Self {
            name: fault.name,
            group: fault.group,
            about: fault.about,
            counts: Counts::default(),
            recovery_p50_s: None,
            recovery_p99_s: None,
            verdict: Verdict::Fail,
            violations: vec![why],
            seconds: 0.0,
            recoveries: Vec::new(),
            timeline: Timeline::default(),
        }
    }

    /// Adds a further run of the same fault: the worst verdict counts, and its timeline is kept.
    pub(crate) fn add(&mut self, other: Self) {
        let (all, more) = (&mut self.counts, other.counts);
        all.seen += more.seen;
        all.ok += more.ok;
        all.failed += more.failed;
        all.unknown += more.unknown;
        all.found += more.found;
        self.seconds += other.seconds;
        self.recoveries.extend(other.recoveries);
        self.recovery_p50_s = percentile(&self.recoveries, 50);
        self.recovery_p99_s = percentile(&self.recoveries, 99);
        if other.verdict > self.verdict {
            self.verdict = other.verdict;
            self.timeline = other.timeline;
        }
        self.violations.extend(other.violations);
    }

    /// The numbers of the report's tables, with what they are called.
    pub(crate) fn columns(&self) -> [(&'static str, String); 13] {
        let (counts, found) = (&self.counts, &self.counts.found);
        let seconds = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        [
            ("seen", counts.seen.to_string()),
            ("ok", counts.ok.to_string()),
            ("failed", counts.failed.to_string()),
            ("unknown", counts.unknown.to_string()),
            ("orders", found.orders.to_string()),
            ("users", found.users.to_string()),
            ("repeats", found.repeats.to_string()),
            ("lost", found.lost.to_string()),
            ("twice", found.twice.to_string()),
            ("order", found.out_of_order.to_string()),
            ("wrong", found.wrong_at_rest.to_string()),
            ("p50 s", seconds(self.recovery_p50_s)),
            ("p99 s", seconds(self.recovery_p99_s)),
        ]
    }
}

/// How many runs passed, failed and were void, in words.
pub(crate) fn totals(outcomes: &[Outcome]) -> String {
    let with = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let (pass, fail, void) = (with(Verdict::Pass), with(Verdict::Fail), with(Verdict::Void));
    format!("{pass} passed, {fail} failed, {void} void")
}
