//! The SQL of a worker: taking payments that are due, and recording what the provider answered.

use std::time::Duration;

use service_kit::change::ChangeError;
use service_kit::database::begin;
use service_kit::retry::retried;
use service_kit::worker::millis;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::events;
use super::rules::{self, Answer, Step};
use super::store::{Row, columns};
use super::{Amount, Charge, Currency, OrderId, State, Token};
use crate::settings::WorkerSettings;

/// What the provider is to be asked for a payment.
#[derive(Debug, Clone)]
pub enum Question {
    /// To charge it.
    Charge {
        /// What.
        amount: Amount,
        /// In which currency.
        currency: Currency,
        /// From whom.
        token: Token,
    },
    /// To give this back.
    Refund(Charge),
}

/// A payment that a worker has taken.
#[derive(Debug, Clone)]
pub struct Work {
    /// The payment; the provider's idempotency key.
    pub payment_id: Uuid,
    /// The order that is paid.
    pub order_id: OrderId,
    /// What the provider is to be asked.
    pub question: Question,
    /// Which try this is.
    pub tries: i32,
}

/// Takes at most `limit` payments that are due, for as long as `lease`. Those that the provider has not answered in three
/// tries come last: they would hold up all the others.
pub async fn take(pool: &PgPool, limit: usize, lease: Duration) -> Result<Vec<Work>, sqlx::Error> {
    let query = concat!(
        "with taken as (
             select payment_id from payment where due <= now() order by tries > 2, due limit $1 for update skip locked)
         update payment set due = now() + $2 * interval '1 ms', tries = payment.tries + 1
           from taken where payment.payment_id = taken.payment_id returning ",
        columns!()
    );
    let rows: Vec<Row> = retried(|| async {
        sqlx::query_as(query)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(millis(lease))
            .fetch_all(pool)
            .await
    })
    .await?;
    Ok(rows.into_iter().filter_map(work).collect())
}

fn work(row: Row) -> Option<Work> {
    let question = match row.state {
        State::Refunding => Question::Refund(row.charge()?),
        _ => Question::Charge { amount: row.amount, currency: row.currency, token: row.token? },
    };
    Some(Work { payment_id: row.payment_id, order_id: row.order_id, question, tries: row.tries })
}

/// Records what an answer means, and announces it, in one transaction. `None`: another worker has taken the payment
/// meanwhile, and will hear the same answer.
pub async fn record(
    pool: &PgPool,
    work: &Work,
    answer: &Answer,
    settings: &WorkerSettings,
) -> Result<Option<Step>, ChangeError> {
    retried(|| async {
        let mut tx = begin(pool).await?;
        let query =
            concat!("select ", columns!(), " from payment where payment_id = $1 and tries = $2 for update");
        let row: Option<Row> =
            sqlx::query_as(query).bind(work.payment_id).bind(work.tries).fetch_optional(&mut *tx).await?;
        let is_asked = |row: &Row| matches!(row.state, State::Requested | State::Refunding);
        let Some(row) = row.filter(is_asked) else { return Ok(None) };
        let step = rules::answered(&row.facts(), answer.clone(), settings);
        match &step {
            Step::AskAgain { problem, pause, is_wrong } => {
                ask_again(&mut tx, work, problem, *pause, *is_wrong).await?;
            }
            Step::Become { state, reason, charge, announcement } => {
                let version = row.version + i64::from(announcement.is_some());
                become_state(&mut tx, work, *state, reason.as_deref(), charge.as_ref(), version).await?;
                if let Some(announcement) = announcement {
                    let payment = row.event(reason.clone(), version);
                    events::append(&mut tx, *announcement, payment, &row.trace).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(Some(step))
    })
    .await
}

async fn ask_again(
    tx: &mut PgConnection,
    work: &Work,
    problem: &str,
    pause: Duration,
    is_wrong: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update payment set due = now() + $2 * interval '1 ms', problem = $3, changed_at = now(),
                wrong_answers = wrong_answers + $4
          where payment_id = $1",
    )
    .bind(work.payment_id)
    .bind(millis(pause))
    .bind(problem)
    .bind(i32::from(is_wrong))
    .execute(tx)
    .await?;
    Ok(())
}

async fn become_state(
    tx: &mut PgConnection,
    work: &Work,
    state: State,
    reason: Option<&str>,
    charge: Option<&Charge>,
    version: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update payment
            set state = $2, reason = coalesce($3, reason), version = $4, changed_at = now(), problem = null,
                charge_id = coalesce($5, charge_id), charged_amount = coalesce($6, charged_amount),
                charged_currency = coalesce($7, charged_currency), wrong_answers = 0,
                due = case when $2 = 'refunding' then now() end,
                -- Held, it may have to be charged after all.
                token = case when $2 = 'held' then token end
          where payment_id = $1",
    )
    .bind(work.payment_id)
    .bind(state)
    .bind(reason)
    .bind(version)
    .bind(charge.map(|charge| &charge.id))
    .bind(charge.map(|charge| charge.amount))
    .bind(charge.map(|charge| &charge.currency))
    .execute(tx)
    .await?;
    Ok(())
}

/// Has a payment asked for again at once: one that is held, or one that waits for its next try. `false`: there is
/// nothing to ask any more, or no such payment.
pub async fn ask_now(pool: &PgPool, payment_id: Uuid) -> Result<bool, sqlx::Error> {
    let update = retried(|| async {
        sqlx::query(
            "update payment
                set state = case when state <> 'held' then state
                                 when cancelled_at is not null and charge_id is not null then 'refunding'
                                 else 'requested' end,
                    due = case when problem is null and state <> 'held' then due else now() end,
                    asked_since = now(), wrong_answers = 0, reason = null, changed_at = now()
              where payment_id = $1 and state in ('held', 'requested', 'refunding')",
        )
        .bind(payment_id)
        .execute(pool)
        .await
    });
    Ok(update.await?.rows_affected() == 1)
}
