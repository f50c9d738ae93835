//! What nobody should send, and who should not be let in.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Row;
use crate::{
    faults,
    run::{Runner, Verdict},
};

/// The test that tries every operation as everybody who may not, and says how often it has.
const MATRIX: &str = "nobody_does_what_is_not_theirs_to_do";

/// Attempts that it must make.
const ATTEMPTS: usize = 300;

impl Runner {
    /// So many malformed messages, with everything checked that is checked after a fault.
    pub(super) async fn hostile_messages(&mut self, messages: u32) -> Row {
        let outcome = self.run(&faults::storm_of(messages), 0).await;
        let measured = match outcome.violations.first() {
            None => "no consumer exit, no innocent dead-lettered".to_owned(),
            Some(violation) => violation.clone(),
        };
        Row {
            name: "malformed messages",
            of: usize::try_from(outcome.seen).unwrap_or(usize::MAX),
            measured,
            must_be: "no consumer exit, no innocent dead-lettered".to_owned(),
            met: outcome.verdict == Verdict::Pass,
        }
        .told()
    }
}

/// Runs the test of the security matrix, which counts for itself.
pub(super) fn unauthorised() -> Result<Row> {
    eprintln!("  … cargo shop test {MATRIX}");
    let mut test = Command::new("cargo");
    test.args(["shop", "test", MATRIX, "--", "--no-capture"]).current_dir(shop::home::checkout());
    let output = test.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let attempts = said.lines().find_map(|line| line.trim().split_once(" attempts on ")?.0.parse().ok());
    let attempts = attempts.unwrap_or(0);
    let met = output.status.success() && attempts >= ATTEMPTS;
    Ok(Row {
        name: "unauthorised attempts",
        of: attempts,
        measured: if met { "all refused" } else { "not all refused, or not measured" }.to_owned(),
        must_be: format!("all of ≥ {ATTEMPTS} refused"),
        met,
    }
    .told())
}
