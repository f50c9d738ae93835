//! What the broker does not take holds up nothing else, and a relay without a broker is relieved.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{Row, recovery};
use crate::{
    check::{Expected, Mark, ONLY_RECORDED, Observations, check},
    faults::{FULL, bind_full_queue, refuse, refuse_nothing, write},
    run::{Runner, rest},
};
use harness::{percentile, until};

/// A type that the relay may not publish.
const REFUSED: &str = "shop.catalog.shelf_labelled.v1";

/// A type with a queue that is full.
const STORED: &str = "shop.catalog.shelf_stored.v1";

/// How many events of each type are not taken.
const TROUBLE: u32 = 1_000;

/// Events of the type that is measured: so many a transaction, so often, for so long.
const AT_ONCE: u32 = 10;
const EVERY: Duration = Duration::from_millis(20);
const TRANSACTIONS: u32 = 500;

/// Keys of those events.
const KEYS: u32 = 1_009;

/// Pairs of measurements: without and with trouble, in turn.
const ROUNDS: usize = 3;

/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(1);

/// One measurement: events a second, and the 99th percentile from commit to broker, in seconds.
#[derive(Debug, Clone, Copy)]
struct Flow {
    rate: f64,
    p99: f64,
}

impl Runner {
    /// The lines about isolation; `repeats` is how often a relay loses its broker.
    pub(super) async fn isolation(&mut self, repeats: usize) -> Result<Vec<Row>> {
        let mut rows = self.not_held_up().await?;
        rows.extend(self.relieved(repeats).await?);
        Ok(rows)
    }

    /// Rate and latency of one type while the relay may not publish another one and the queue of a third is full,
    /// against the same without.
    async fn not_held_up(&mut self) -> Result<Vec<Row>> {
        self.settle(1, 1).await?;
        let (mut untroubled, mut troubled) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.environment.interrupt.check()?;
            untroubled.push(self.flow(0).await?);
            self.trouble().await?;
            troubled.push(self.flow(TROUBLE / TRANSACTIONS).await?);
            let (failed, held) = self.not_taken().await?;
            ensure!(
                failed > 0 && held > 0,
                "{failed} events were refused and {held} held back: not measured"
            );
            self.relieve().await?;
        }
        let medians = |of: fn(&Flow) -> f64| {
            [&untroubled, &troubled]
                .map(|flows| percentile(&flows.iter().map(of).collect::<Vec<_>>(), 50).unwrap_or(f64::NAN))
        };
        let (rates, p99s) = (medians(|flow| flow.rate), medians(|flow| flow.p99));
        let row = |name, [without, with]: [f64; 2], unit: f64, what: &str, must_be: &str, met| {
            Row {
                name,
                of: 2 * ROUNDS,
                measured: format!(
                    "{:.2} ({:.1} against {:.1} {what})",
                    with / without,
                    with * unit,
                    without * unit
                ),
                must_be: must_be.to_owned(),
                met,
            }
            .told()
        };
        let name = "one type refused and one queue full: rate of another type";
        let p99 = "one type refused and one queue full: p99 from commit to broker of another type";
        Ok(vec![
            row(name, rates, 1.0, "events/s", "≥ 0.9", rates[1] >= 0.9 * rates[0]),
            row(p99, p99s, 1_000.0, "ms", "≤ 2", p99s[1] <= 2.0 * p99s[0]),
        ])
    }

    /// Writes events at a steady rate, so many that are refused with each transaction, and waits until the recorder has
    /// seen the good ones.
    async fn flow(&mut self, refused: u32) -> Result<Flow> {
        let mark = Mark::set(&self.environment, &self.recorder).await?;
        let mut committed = Vec::new();
        let began = Instant::now();
        for n in 0..TRANSACTIONS {
            sleep_until(began + EVERY * n).await;
            if refused > 0 {
                write(&self.environment, REFUSED, 2 * TROUBLE, TROUBLE + n * refused, refused).await?;
            }
            write(&self.environment, ONLY_RECORDED, KEYS, n * AT_ONCE, AT_ONCE).await?;
            committed.push(Instant::now());
        }
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "select event_id from integration_event_log where event_type = $1 and position > $2 order by position",
        )
        .bind(ONLY_RECORDED)
        .bind(mark.position)
        .fetch_all(&self.environment.catalog)
        .await?;
        ensure!(ids.len() == (TRANSACTIONS * AT_ONCE) as usize, "{} events were written", ids.len());
        let all_seen = async || Ok(self.recorder.has_seen(&ids).then_some(()));
        until(LIMIT, Duration::from_millis(10), all_seen).await?.context("not all events came out")?;
        let seen: Vec<Instant> = ids.iter().filter_map(|id| self.recorder.first_seen(*id)).collect();
        let commits = committed.iter().flat_map(|at| [*at; AT_ONCE as usize]);
        let latencies: Vec<f64> = seen
            .iter()
            .zip(commits)
            .map(|(seen, committed)| seen.saturating_duration_since(committed).as_secs_f64())
            .collect();
        let last = seen.iter().max().context("nothing was seen")?;
        let rate = f64::from(TRANSACTIONS * AT_ONCE) / (*last - began).as_secs_f64();
        Ok(Flow { rate, p99: percentile(&latencies, 99).context("nothing was measured")? })
    }

    /// Has the relay publish one type no more, fills the queue of another, and writes events of both.
    async fn trouble(&mut self) -> Result<()> {
        let broker = self.environment.broker.clone();
        refuse(&broker, REFUSED).await?;
        bind_full_queue(&broker, STORED).await?;
        for event_type in [REFUSED, STORED] {
            // A key for each: whatever is not taken is tried for itself.
            write(&self.environment, event_type, TROUBLE, 0, TROUBLE).await?;
        }
        let shown = async || {
            let (failed, held) = self.not_taken().await?;
            Ok((failed > 0 && held > 0).then_some(()))
        };
        until(LIMIT, Duration::from_millis(20), shown).await?.context("nothing is refused or held back")
    }

    /// How many events were refused, and how many wait for a full queue.
    async fn not_taken(&self) -> Result<(i64, i64)> {
        Ok(sqlx::query_as(
            "select count(*) filter (where state = 'PublishedFailed' and event_type = $1 and skipped_at is null),
                    count(*) filter (where state = 'NotPublished' and event_type = $2)
               from integration_event_log",
        )
        .bind(REFUSED)
        .bind(STORED)
        .fetch_one(&self.environment.catalog)
        .await?)
    }

    /// Corrects the rights, deletes the full queue, and waits until nothing waits.
    async fn relieve(&mut self) -> Result<()> {
        refuse_nothing(&self.environment.broker).await?;
        self.environment.broker.delete(FULL).await?;
        self.environment.operate(&["requeue", "--type", REFUSED])?;
        let none = async || Ok((rest::pending(&self.environment).await? == 0).then_some(()));
        until(LIMIT, Duration::from_millis(50), none).await?.context("something is still pending")
    }

    /// How long until another relay publishes what one without a broker owned, with events of many keys meanwhile.
    async fn relieved(&mut self, repeats: usize) -> Result<Vec<Row>> {
        self.settle(2, 1).await?;
        let mark = Mark::set(&self.environment, &self.recorder).await?;
        let (mut measured, mut written) = (Vec::with_capacity(repeats), 0);
        for n in 0..repeats {
            self.environment.interrupt.check()?;
            write(&self.environment, ONLY_RECORDED, KEYS, written, KEYS).await?;
            written += KEYS;
            measured.push(self.measure(recovery::What::WithoutBroker { hears_nothing: n % 2 == 1 }).await);
        }
        let none = HashSet::new();
        let left = rest::at_rest(&self.environment, mark.position, &none, LIMIT).await?;
        let observations =
            Observations::read(&self.environment, &self.recorder, &mark, Vec::new(), &none).await?;
        let found = check(&observations, &Expected::default()).found;
        let order = Row {
            name: "relay without a broker: keys out of order, events lost",
            of: observations.log.len(),
            measured: format!("{}, {}", found.out_of_order, found.lost),
            must_be: "0, 0".to_owned(),
            met: found.out_of_order == 0 && found.lost == 0 && left.is_none(),
        };
        let name = "relay without a broker: another one publishes its events";
        Ok(vec![recovery::row(name, &measured, None, 6.0), order.told()])
    }
}
