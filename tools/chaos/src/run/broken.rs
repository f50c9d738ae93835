//! The checks, run on a suite that is known to be broken.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Runner, Verdict};
use crate::faults;

/// How long a broken suite may try to come to rest: it never will.
const SHORT: Duration = Duration::from_secs(8);

/// A safety, the fault that it is there for, and what has to be said when it is missing.
const SAFETIES: [(&str, &str, &str); 6] = [
    ("inbox", "message-repeated", "never received"),
    ("version-guard", "message-older-than-known", "applied after a newer one"),
    // Several events of one key fail for themselves, and more than its first one is blocked.
    ("waiting", "handler-fails", "missing when all should be at rest"),
    ("confirms", "broker-frozen-and-killed", "marked published and seen nowhere"),
    ("ownership", "calm", "published again without a reason"),
    ("alternate-exchange", "event-nobody-wants", "does not become Published"),
];

/// What became of the suite without one of its safeties.
#[derive(Debug, Serialize)]
pub(crate) struct Broken {
    /// What was removed.
    pub(crate) without: &'static str,
    /// What was done then.
    pub(crate) fault: &'static str,
    /// Whether the checks have said so.
    pub(crate) noticed: bool,
    /// What they have said.
    pub(crate) violations: Vec<String>,
}

impl Runner {
    /// Removes one safety at a time, runs the fault that it is for, and puts it back.
    pub(crate) async fn broken(&mut self) -> Result<Vec<Broken>> {
        let mut all = Vec::new();
        for (without, name, said) in SAFETIES {
            let fault = faults::named(name)?;
            harness::complain!("  … without {without}: {}", fault.about);
            self.environment.kill_all(vec![("WITHOUT".to_owned(), without.to_owned())]);
            if without == "alternate-exchange" {
                self.environment.make_exchange(false).await?;
            }
            let limit = std::mem::replace(&mut self.limit, SHORT);
            let outcome = self.run(&fault, 0).await;
            self.limit = limit;
            self.environment.kill_all(Vec::new());
            if without == "alternate-exchange" {
                self.environment.make_exchange(true).await?;
            }
            let noticed =
                outcome.verdict == Verdict::Fail && outcome.violations.iter().any(|text| text.contains(said));
            harness::complain!(
                "  {} without {without}: {}",
                if noticed { '✓' } else { '✗' },
                outcome.violations.join("; ")
            );
            all.push(Broken { without, fault: fault.name, noticed, violations: outcome.violations });
        }
        Ok(all)
    }
}
