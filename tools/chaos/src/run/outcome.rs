//! What came of a run.

use std::fmt;

use serde::Serialize;

use super::Timeline;
use crate::{
    check::{Findings, Repeats},
    faults::{Fault, Injection},
};

/// Operations that must have been done for a run to say anything.
const ENOUGH: u64 = 40;

/// Whether the suite has kept its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All of them.
    Pass,
    /// Not all.
    Fail,
    /// The run does not say: the fault was not seen to happen, or too little was done.
    Void,
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

/// One fault's line in the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) group: &'static str,
    pub(crate) about: &'static str,
    /// How often the fault was seen to happen.
    pub(crate) seen: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
    /// Events that were committed meanwhile.
    pub(crate) committed: usize,
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) out_of_order: usize,
    pub(crate) wrong_at_rest: usize,
    /// Messages that were published again, and absorbed.
    pub(crate) repeats: usize,
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
            || (injection.expected.repeats == Repeats::Provoked && findings.repeats == 0);
        let verdict = match (findings.violations.is_empty(), is_void) {
            (false, _) => Verdict::Fail,
            (true, true) => Verdict::Void,
            (true, false) => Verdict::Pass,
        };
        Self {
            name: fault.name.to_owned(),
            group: fault.group,
            about: fault.about,
            seen: injection.seen,
            ok,
            failed,
            unknown,
            committed: findings.committed,
            lost: findings.lost,
            twice: findings.twice,
            out_of_order: findings.out_of_order,
            wrong_at_rest: findings.wrong_at_rest,
            repeats: findings.repeats,
            recovery_p50_s: recovery,
            recovery_p99_s: recovery,
            verdict,
            violations: findings.violations,
            seconds: 0.0,
            recoveries: recovery.into_iter().collect(),
            timeline,
        }
    }

    pub(crate) fn failed(fault: &Fault, why: String) -> Self {
        Self {
            name: fault.name.to_owned(),
            group: fault.group,
            about: fault.about,
            seen: 0,
            ok: 0,
            failed: 0,
            unknown: 0,
            committed: 0,
            lost: 0,
            twice: 0,
            out_of_order: 0,
            wrong_at_rest: 0,
            repeats: 0,
            recovery_p50_s: None,
            recovery_p99_s: None,
            verdict: Verdict::Fail,
            violations: vec![why],
            seconds: 0.0,
            recoveries: Vec::new(),
            timeline: Timeline::default(),
        }
    }

    /// Adds a further run of the same fault: the worst verdict counts, its time line is kept.
    pub(crate) fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.ok += other.ok;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.committed += other.committed;
        self.lost += other.lost;
        self.twice += other.twice;
        self.out_of_order += other.out_of_order;
        self.wrong_at_rest += other.wrong_at_rest;
        self.repeats += other.repeats;
        self.seconds += other.seconds;
        self.recoveries.extend(other.recoveries);
        self.recovery_p50_s = percentile(&self.recoveries, 50);
        self.recovery_p99_s = percentile(&self.recoveries, 99);
        let severity = |verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Void => 1,
            Verdict::Fail => 2,
        };
        if severity(other.verdict) > severity(self.verdict) {
            self.verdict = other.verdict;
            self.timeline = other.timeline;
        }
        self.violations.extend(other.violations);
    }
}

/// The value below which so many per cent of the values are; the largest, where there are few.
pub(crate) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}
