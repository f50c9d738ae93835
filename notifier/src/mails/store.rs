//! The SQL of mails: those that events ask for, and those that a worker sends.

use std::time::Duration;

use anyhow::anyhow;
use service_kit::retry::retried;
use service_kit::worker::millis;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::Content;
use crate::addressees;

/// The most mails that are forgotten at once.
const FORGOTTEN: i64 = 1_000;

/// A mail that a worker has taken.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Work {
    /// The mail; the event that led to it.
    pub mail_id: Uuid,
    /// Whose it is.
    pub user_id: String,
    /// Whom it is for.
    pub email: String,
    /// Its kind, as it is written.
    pub kind: String,
    /// What it says, as it is written. Read with the mail: what cannot be read makes that mail fail, and no other.
    pub content: String,
    /// Which try this is.
    pub tries: i32,
    /// How often the server has refused it for now.
    pub refusals: i32,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is sent.
    Sent,
    /// It will not be, and why.
    Failed(String),
    /// It is tried again.
    Again {
        /// Why.
        problem: String,
        /// After how long.
        pause: Duration,
        /// Whether the server has refused it for now.
        is_refused: bool,
    },
}

impl Work {
    /// Reads what it says. The error repeats nothing of it.
    pub fn content(&self) -> anyhow::Result<Content> {
        serde_json::from_str(&self.content).map_err(|error| {
            anyhow!(
                "its content cannot be read: {:?} error at character {}",
                error.classify(),
                error.column()
            )
        })
    }
}

/// Writes a mail to this address.
pub async fn write(
    tx: &mut PgConnection,
    mail_id: Uuid,
    user_id: &str,
    email: &str,
    content: &Content,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into mail (mail_id, kind, user_id, state, email, content, due)
         values ($1, $2, $3, 'waiting', $4, $5, now()) on conflict (mail_id) do nothing",
    )
    .bind(mail_id)
    .bind(content.kind())
    .bind(user_id)
    .bind(email)
    .bind(Json(content))
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a mail to a user, or notes that no address of theirs is known.
pub async fn write_to(
    tx: &mut PgConnection,
    mail_id: Uuid,
    user_id: &str,
    content: &Content,
) -> Result<(), sqlx::Error> {
    addressees::lock(tx, user_id).await?;
    sqlx::query(
        "insert into mail (mail_id, kind, user_id, state, email, content, due)
         select $1, $2, $3, case when email is null then 'unaddressed' else 'waiting' end, email, $4,
                case when email is not null then now() end
           from (select (select email from addressee where user_id = $3) as email) as known
         on conflict (mail_id) do nothing",
    )
    .bind(mail_id)
    .bind(content.kind())
    .bind(user_id)
    .bind(Json(content))
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes at most `limit` mails that are due, for as long as `lease`.
pub async fn take(pool: &PgPool, limit: usize, lease: Duration) -> Result<Vec<Work>, sqlx::Error> {
    retried(|| async {
        sqlx::query_as(
            "with taken as (select mail_id from mail where due <= now() order by due limit $1 for update skip locked)
             update mail set due = now() + $2 * interval '1 ms', leased_until = now() + $2 * interval '1 ms',
                             tries = mail.tries + 1
               from taken where mail.mail_id = taken.mail_id
             returning mail.mail_id, mail.user_id, mail.email, mail.kind, mail.content::text as content, mail.tries,
                       mail.refusals",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(millis(lease))
        .fetch_all(pool)
        .await
    })
    .await
}

/// Records what a try came to. `false`: another worker has taken the mail meanwhile, or its user is gone.
pub async fn record(pool: &PgPool, work: &Work, outcome: &Outcome) -> Result<bool, sqlx::Error> {
    let (state, problem, pause, is_refused) = match outcome {
        Outcome::Sent => ("sent", None, None, false),
        Outcome::Failed(problem) => ("failed", Some(problem), None, false),
        Outcome::Again { problem, pause, is_refused } => {
            ("waiting", Some(problem), Some(*pause), *is_refused)
        }
    };
    let update = retried(|| async {
        sqlx::query(
            "update mail
                set state = $3, problem = $4, due = now() + $5 * interval '1 ms', leased_until = null,
                    refusals = refusals + $6,
                    email = case when $3 = 'sent' then null else email end,
                    content = case when $3 = 'sent' then null else content end, changed_at = now()
              where mail_id = $1 and tries = $2 and state = 'waiting'",
        )
        .bind(work.mail_id)
        .bind(work.tries)
        .bind(state)
        .bind(problem)
        .bind(pause.map(millis))
        .bind(i32::from(is_refused))
        .execute(pool)
        .await
    });
    Ok(update.await?.rows_affected() == 1)
}

/// Has a mail sent again that has failed, or that waits for its next try. `false`: there is no such mail, or nothing to
/// send any more.
pub async fn requeue(pool: &PgPool, mail_id: Uuid) -> Result<bool, sqlx::Error> {
    let update = retried(|| async {
        sqlx::query(
            "update mail
                set state = 'waiting', refusals = 0, changed_at = now(),
                    -- One that a worker has right now stays its own.
                    due = greatest(now(), leased_until)
              where mail_id = $1 and state in ('failed', 'waiting')",
        )
        .bind(mail_id)
        .execute(pool)
        .await
    });
    Ok(update.await?.rows_affected() == 1)
}

/// Gives up a mail that has failed: it is never sent, and its address and words go. Who decided that, and why, is kept.
/// `false`: there is no such mail, or it has not failed.
pub async fn discard(pool: &PgPool, mail_id: Uuid, by: &str, reason: &str) -> Result<bool, sqlx::Error> {
    let update = retried(|| async {
        sqlx::query(
            "update mail
                set state = 'discarded', email = null, content = null, discarded_by = $2, discard_reason = $3,
                    changed_at = now()
              where mail_id = $1 and state = 'failed'",
        )
        .bind(mail_id)
        .bind(by)
        .bind(reason)
        .execute(pool)
        .await
    });
    Ok(update.await?.rows_affected() == 1)
}

/// Forgets mails that need not be remembered any more, also failed ones; returns how many.
pub async fn forget_old(pool: &PgPool, days: u32) -> Result<u64, sqlx::Error> {
    let delete = sqlx::query(
        "delete from mail where mail_id in (
             select mail_id from mail
              where state <> 'waiting' and changed_at < now() - $1 * interval '1 day' limit $2)",
    );
    Ok(delete.bind(i64::from(days)).bind(FORGOTTEN).execute(pool).await?.rows_affected())
}
