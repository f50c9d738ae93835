//! A great many orders under faults, and their invariants.

use anyhow::Result;
use shop::terminal::complain;

use super::Row;
use crate::{
    faults,
    run::{Outcome, Runner, Verdict},
};

/// So many orders are placed between two looks at their invariants.
const AT_ONCE: usize = 2_500;

impl Runner {
    /// Has at least so many orders placed, while relays, payments and ordering are killed in turn.
    pub(super) async fn orders(&mut self, orders: u32) -> Result<Row> {
        let orders = usize::try_from(orders)?;
        let fault = faults::named("many-orders")?;
        let mut all: Option<Outcome> = None;
        for run in 0.. {
            let placed = all.as_ref().map_or(0, |outcome| outcome.counts.found.orders);
            let is_well = all.as_ref().is_none_or(|outcome| outcome.verdict == Verdict::Pass);
            if placed >= orders || !is_well {
                break;
            }
            self.environment.interrupt.check()?;
            faults::many_orders_of(AT_ONCE.min(orders - placed));
            let outcome = self.run(&fault, run).await;
            complain(format!("    {} orders: {}", outcome.counts.found.orders, outcome.verdict));
            match &mut all {
                Some(all) => all.add(outcome),
                None => all = Some(outcome),
            }
        }
        let all = all.unwrap_or_else(|| Outcome::failed(&fault, "nothing was asked for".to_owned()));
        let (found, killed) = (all.counts.found, all.counts.seen);
        complain(format!("    {} orders, {killed} processes killed, {:.0} s", found.orders, all.seconds));
        let broken = all.violations.first().cloned();
        Ok(Row {
            name: "orders under faults: invariants broken",
            of: found.orders,
            measured: broken.unwrap_or_else(|| found.orders_broken.to_string()),
            must_be: format!("0 of ≥ {orders}"),
            met: all.verdict == Verdict::Pass && found.orders >= orders,
        }
        .told())
    }
}
