//! Rows of work: effects outside of the database, which no transaction can hold.
//!
//! An event only writes a row. A worker takes rows that are due, for as long as a lease, has the effect, and records the
//! outcome. Where it dies in between, the lease ends and the effect is had again: whoever has it must be able to tell a
//! repeat, by the row's id.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::settings::check_ranges;

/// The pause after the database could not be used.
const PAUSE: Duration = Duration::from_secs(1);

/// What a worker does.
pub trait Job: Clone + Send + Sync + 'static {
    /// A row that was taken.
    type Row: Send + 'static;

    /// Takes at most `limit` rows that are due. They belong to this process for as long as `lease`.
    fn take(
        &self,
        limit: usize,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Has the effect and records its outcome; says after how long the row is due again, if it is.
    fn perform(&self, row: Self::Row) -> impl Future<Output = Option<Duration>> + Send;
}

/// The worker of one process.
#[derive(Debug, Clone)]
pub struct Worker<J> {
    /// What it does.
    pub job: J,
    /// With how many rows at once, and for how long. To take or to do what takes longer than the lease is given up.
    pub limits: Limits,
    /// Notified when a row may be due.
    pub work: Arc<Notify>,
    /// Ends the worker.
    pub stop: CancellationToken,
}

impl<J: Job> Worker<J> {
    /// Works until it is told to stop, and finishes what was begun. Where this is dropped before, the rows under way stop
    /// too: another worker does them again when their leases have ended.
    pub async fn run(self) {
        let permits = Arc::new(Semaphore::new(self.limits.concurrency));
        let mut running = JoinSet::new();
        while !self.stop.is_cancelled() {
            let pause = self.take(&permits, &mut running).await;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.work.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Takes as many rows as there is room for; returns how long to wait for others.
    async fn take(&self, permits: &Arc<Semaphore>, running: &mut JoinSet<()>) -> Duration {
        // Otherwise those that have ended would stay in memory.
        while running.try_join_next().is_some() {}
        let mut free = Vec::new();
        while let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            free.push(permit);
        }
        if free.is_empty() {
            // The end of each row notifies.
            return self.limits.poll();
        }
        // A connection that was cut without a word answers never.
        let lease = self.limits.lease();
        match timeout(lease, self.job.take(free.len(), lease)).await {
            Ok(Ok(taken)) => {
                for (row, permit) in taken.into_iter().zip(free) {
                    running.spawn(self.clone().perform(row, permit));
                }
                self.limits.poll()
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "no work can be taken");
                PAUSE
            }
            Err(_elapsed) => {
                tracing::warn!("no work can be taken: the database did not answer in {lease:?}");
                PAUSE
            }
        }
    }

    async fn perform(self, row: J::Row, permit: OwnedSemaphorePermit) {
        let again = timeout(self.limits.lease(), self.job.perform(row)).await.unwrap_or_else(|_elapsed| {
            tracing::warn!("a row's lease has ended before its outcome was recorded: it is done again");
            None
        });
        drop(permit);
        self.work.notify_one();
        // A row that is due later than that is found by a poll.
        if let Some(pause) = again.filter(|pause| *pause < self.limits.poll()) {
            let (due, end) = (self.work, self.stop);
            tokio::spawn(async move {
                end.run_until_cancelled(tokio::time::sleep(pause)).await;
                due.notify_one();
            });
        }
    }
}

/// The numbers in the section `worker` of a service's settings; times are in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows at once.
    pub concurrency: usize,
    /// The longest that the effect may take.
    pub deadline_ms: u64,
    /// How long a row that was taken belongs to its worker.
    pub lease_ms: u64,
    /// How often to look for rows that are due.
    pub poll_ms: u64,
    /// The first pause after a try that came to nothing; it doubles with each further one.
    pub first_pause_ms: u64,
    /// The longest such pause.
    pub longest_pause_ms: u64,
}

/// What recording an outcome may take, after the effect.
const RECORDING_MS: u64 = 5_000;

impl Limits {
    /// Refuses numbers that cannot be, and those that contradict each other; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
        check_ranges(&[
            ("worker.concurrency", u64::try_from(self.concurrency).unwrap_or(u64::MAX), 1, 1_000),
            ("worker.deadline_ms", self.deadline_ms, 1, DAY_MS),
            ("worker.lease_ms", self.lease_ms, 1, DAY_MS),
            ("worker.poll_ms", self.poll_ms, 1, DAY_MS),
            ("worker.first_pause_ms", self.first_pause_ms, 1, DAY_MS),
            ("worker.longest_pause_ms", self.longest_pause_ms, 1, DAY_MS),
        ])?;
        // Otherwise two workers would have the effect of one row as a rule.
        ensure!(
            self.lease_ms >= self.deadline_ms + RECORDING_MS,
            "setting worker.lease_ms must be at least {RECORDING_MS} ms more than worker.deadline_ms"
        );
        Ok(())
    }

    /// The longest that the effect may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How long a row that was taken belongs to its worker.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How often to look for rows that are due.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// The pause after so many tries that came to nothing.
    pub fn pause_after(&self, tries: i32) -> Duration {
        let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(0).min(20);
        Duration::from_millis(self.first_pause_ms.saturating_mul(1 << doublings).min(self.longest_pause_ms))
    }
}

/// A lease as PostgreSQL takes it, in milliseconds.
pub fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    const LIMITS: Limits = Limits {
        concurrency: 4,
        deadline_ms: 10,
        lease_ms: 20,
        poll_ms: 20,
        first_pause_ms: 200,
        longest_pause_ms: 1_000,
    };

    /// Rows of which the first is never taken, and the second never done.
    #[derive(Clone, Default)]
    struct Stuck {
        taken: Arc<AtomicU32>,
        done: Arc<Notify>,
    }

    impl Job for Stuck {
        type Row = u32;

        async fn take(&self, _limit: usize, _lease: Duration) -> Result<Vec<u32>, sqlx::Error> {
            match self.taken.fetch_add(1, Ordering::Relaxed) {
                0 => std::future::pending().await,
                row => Ok(vec![row]),
            }
        }

        async fn perform(&self, row: u32) -> Option<Duration> {
            if row == 1 {
                std::future::pending::<()>().await;
            }
            self.done.notify_one();
            None
        }
    }

    #[tokio::test]
    async fn a_database_that_never_answers_stops_no_work() {
        let (job, stop) = (Stuck::default(), CancellationToken::new());
        let worker = Worker {
            job: job.clone(),
            limits: Limits { concurrency: 1, ..LIMITS },
            work: Arc::new(Notify::new()),
            stop: stop.clone(),
        };
        let running = tokio::spawn(worker.run());
        timeout(PATIENCE, job.done.notified()).await.expect("the work goes on");
        stop.cancel();
        timeout(PATIENCE, running).await.expect("the worker ends").unwrap();
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [0, 1, 2, 3, 4, i32::MAX].map(|tries| LIMITS.pause_after(tries).as_millis());
        assert_eq!(pauses, [200, 200, 400, 800, 1_000, 1_000]);
    }
}
