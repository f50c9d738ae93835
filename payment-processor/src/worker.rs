//! Takes payments that are due, asks the provider, and records the outcome.
//!
//! A payment belongs to the worker that took it until its lease ends. Where a worker dies in between, another one asks
//! again, with the same key: the provider then answers what it has done already.

use std::sync::Arc;
use std::time::Duration;

use event_bus::outbox::Notifier;
use sqlx::PgPool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::payments::rules::{Answer, Step};
use crate::payments::work::{self, Work};
use crate::provider::Provider;
use crate::settings::WorkerSettings;

/// The pause after the database could not be used.
const PAUSE: Duration = Duration::from_secs(1);

/// The worker of one process.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Where payments are.
    pub pool: PgPool,
    /// Who is asked.
    pub provider: Provider,
    /// How.
    pub settings: WorkerSettings,
    /// Notified when a payment may be due.
    pub work: Arc<Notify>,
    /// Notifies relays of announcements.
    pub announced: Notifier,
    /// Ends the worker.
    pub stop: CancellationToken,
}

impl Worker {
    /// Works until it is told to stop; what was begun is finished.
    pub async fn run(self) {
        let permits = Arc::new(Semaphore::new(self.settings.concurrency));
        let calls = TaskTracker::new();
        while !self.stop.is_cancelled() {
            let pause = self.take(&permits, &calls).await;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.work.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        calls.close();
        calls.wait().await;
    }

    /// Takes as many payments as may be asked for now; returns how long to wait for others.
    async fn take(&self, permits: &Arc<Semaphore>, calls: &TaskTracker) -> Duration {
        let mut free = Vec::new();
        while let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            free.push(permit);
        }
        if free.is_empty() {
            // The end of each call notifies.
            return self.settings.poll();
        }
        match work::take(&self.pool, free.len(), self.settings.lease()).await {
            Ok(taken) => {
                for (work, permit) in taken.into_iter().zip(free) {
                    calls.spawn(self.clone().call(work, permit));
                }
                self.settings.poll()
            }
            Err(error) => {
                tracing::warn!(%error, "payments cannot be taken");
                PAUSE
            }
        }
    }

    async fn call(self, work: Work, permit: OwnedSemaphorePermit) {
        event_bus::crash_point!("payment.before_call");
        let answer = self.provider.ask(&work).await;
        event_bus::crash_point!("payment.after_charge");
        metrics::counter!("payment_calls_total", "answer" => word(&answer)).increment(1);
        let (payment, order) = (work.payment_id, &work.order_id);
        match work::record(&self.pool, &work, &answer, &self.settings).await {
            Ok(Some(step)) => {
                event_bus::crash_point!("payment.after_commit");
                self.recorded(&work, &step);
            }
            Ok(None) => tracing::info!(%payment, %order, "another worker has taken the payment meanwhile"),
            // Its lease ends, and the provider is asked again.
            Err(error) => {
                tracing::warn!(%payment, %order, %error, "the outcome of a payment cannot be recorded");
            }
        }
        drop(permit);
        self.work.notify_one();
    }

    fn recorded(&self, work: &Work, step: &Step) {
        let (payment, order) = (work.payment_id, &work.order_id);
        match step {
            Step::Become { state, reason, announcement, .. } => {
                tracing::info!(%payment, %order, state = state.word(), reason, "a payment has an outcome");
                metrics::counter!("payments_total", "outcome" => state.word()).increment(1);
                if announcement.is_some() {
                    self.announced.notify();
                }
            }
            Step::AskAgain { problem, pause, .. } => {
                let pause = *pause;
                tracing::warn!(%payment, %order, problem, ?pause, "the outcome of a payment is not known");
                let (due, end) = (Arc::clone(&self.work), self.stop.clone());
                tokio::spawn(async move {
                    end.run_until_cancelled(tokio::time::sleep(pause)).await;
                    due.notify_one();
                });
            }
        }
    }
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Charged(_) => "charged",
        Answer::Refunded(_) => "refunded",
        Answer::Declined(_) => "declined",
        Answer::Nothing { .. } => "nothing",
    }
}
