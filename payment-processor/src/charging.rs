//! Takes payments that are due, asks the provider, and records the outcome.
//!
//! A payment belongs to the worker that took it until its lease ends. Where a worker dies in between, another one asks
//! again, with the same key: the provider then answers what it has done already.

use std::time::Duration;

use event_bus::outbox::Notifier;
use service_kit::worker::Job;
use sqlx::PgPool;

use crate::payments::rules::{Answer, Step};
use crate::payments::work::{self, Work};
use crate::provider::Provider;
use crate::settings::WorkerSettings;

/// What the worker does with payments that are due.
#[derive(Debug, Clone)]
pub struct Charging {
    /// Where payments are.
    pub pool: PgPool,
    /// Who is asked.
    pub provider: Provider,
    /// How.
    pub settings: WorkerSettings,
    /// Notifies relays of announcements.
    pub announced: Notifier,
}

impl Job for Charging {
    type Row = Work;

    async fn take(&self, limit: usize, lease: Duration) -> Result<Vec<Work>, sqlx::Error> {
        work::take(&self.pool, limit, lease).await
    }

    async fn perform(&self, work: Work) -> Option<Duration> {
        event_bus::crash_point!("payment.before_call");
        let answer = self.provider.ask(&work).await;
        event_bus::crash_point!("payment.after_charge");
        metrics::counter!("payment_calls_total", "answer" => word(&answer)).increment(1);
        let (payment, order) = (work.payment_id, &work.order_id);
        match work::record(&self.pool, &work, &answer, &self.settings).await {
            Ok(Some(step)) => {
                event_bus::crash_point!("payment.after_commit");
                return self.recorded(&work, &step);
            }
            Ok(None) => tracing::info!(%payment, %order, "another worker has taken the payment meanwhile"),
            // Its lease ends, and the provider is asked again.
            Err(error) => {
                tracing::warn!(%payment, %order, %error, "the outcome of a payment cannot be recorded");
            }
        }
        None
    }
}

impl Charging {
    /// Says when the provider is to be asked again, if it is.
    fn recorded(&self, work: &Work, step: &Step) -> Option<Duration> {
        let (payment, order) = (work.payment_id, &work.order_id);
        match step {
            Step::Become { state, reason, announcement, .. } => {
                tracing::info!(%payment, %order, state = state.word(), reason, "a payment has an outcome");
                metrics::counter!("payments_total", "outcome" => state.word()).increment(1);
                if announcement.is_some() {
                    self.announced.notify();
                }
                None
            }
            Step::AskAgain { problem, pause, .. } => {
                let pause = *pause;
                tracing::warn!(%payment, %order, problem, ?pause, "the outcome of a payment is not known");
                Some(pause)
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
