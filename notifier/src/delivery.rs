//! Takes mails that are due, sends them, and records the outcome.

use std::sync::Arc;
use std::time::Duration;

use service_kit::worker::Job;
use sqlx::PgPool;
use tokio::time::timeout;

use crate::mails::message::Letterhead;
use crate::mails::store::{self, Outcome, Work};
use crate::settings::WorkerSettings;
use crate::smtp::{Answer, Mailer, without_addresses};

/// What the worker does with mails that are due.
#[derive(Clone)]
pub struct Delivery {
    /// Where mails are.
    pub pool: PgPool,
    /// Who is given them.
    pub mailer: Mailer,
    /// What all of them need.
    pub letterhead: Arc<Letterhead>,
    /// How.
    pub settings: WorkerSettings,
}

impl Job for Delivery {
    type Row = Work;

    async fn take(&self, limit: usize, lease: Duration) -> Result<Vec<Work>, sqlx::Error> {
        store::take(&self.pool, limit, lease).await
    }

    async fn perform(&self, work: Work) -> Option<Duration> {
        event_bus::crash_point!("notifier.before_send");
        let answer = self.send(&work).await;
        event_bus::crash_point!("notifier.after_send");
        let outcome = outcome(&work, answer, &self.settings);
        // The server's words are in the row, and in no log.
        let (mail, kind) = (work.mail_id, work.kind.as_str());
        match store::record(&self.pool, &work, &outcome).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(%mail, "another worker has taken the mail meanwhile, or its user is gone");
                return None;
            }
            // Its lease ends, and it is sent again with the same id.
            Err(error) => {
                tracing::warn!(%mail, %error, "the outcome of a mail cannot be recorded");
                return None;
            }
        }
        event_bus::crash_point!("notifier.after_commit");
        match outcome {
            Outcome::Sent => {
                tracing::info!(%mail, kind, "a mail is sent");
                metrics::counter!("mails_total", "outcome" => "sent").increment(1);
                None
            }
            Outcome::Failed(_) => {
                tracing::warn!(%mail, kind, "a mail has failed: /api/v1/mails?state=failed says why");
                metrics::counter!("mails_total", "outcome" => "failed").increment(1);
                None
            }
            Outcome::Again { pause, .. } => {
                tracing::warn!(%mail, kind, tries = work.tries, ?pause, "a mail is not sent yet");
                Some(pause)
            }
        }
    }
}

impl Delivery {
    async fn send(&self, work: &Work) -> Answer {
        let answer = match self.letterhead.mail(work) {
            Ok(mail) => timeout(self.settings.limits().deadline(), self.mailer.send(&mail))
                .await
                .unwrap_or_else(|_| {
                    Answer::Unknown(format!(
                        "no answer of the mail server in {} ms",
                        self.settings.deadline_ms
                    ))
                }),
            Err(error) => {
                Answer::Refused(without_addresses(&format!("no mail can be made of it: {error:#}")))
            }
        };
        metrics::counter!("mail_tries_total", "answer" => word(&answer)).increment(1);
        answer
    }
}

/// Decides what an answer means for a mail.
fn outcome(work: &Work, answer: Answer, settings: &WorkerSettings) -> Outcome {
    let pause = settings.limits().pause_after(work.tries);
    match answer {
        Answer::Sent => Outcome::Sent,
        Answer::Refused(problem) => Outcome::Failed(problem),
        Answer::NotNow(problem) if work.refusals + 1 >= settings.refusals => {
            let times = work.refusals + 1;
            Outcome::Failed(format!("refused {times} times, last: {problem}"))
        }
        Answer::NotNow(problem) => Outcome::Again { problem, pause, is_refused: true },
        Answer::Unknown(problem) => Outcome::Again { problem, pause, is_refused: false },
    }
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Sent => "sent",
        Answer::Refused(_) => "refused",
        Answer::NotNow(_) => "not_now",
        Answer::Unknown(_) => "unknown",
    }
}
