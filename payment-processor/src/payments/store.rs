//! All SQL of payments.

use std::time::Duration;

use event_bus::TraceContext;
use event_bus::outbox::AppendError;
use rust_decimal::Decimal;
use service_kit::retry::{Passing, retried};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::events::{self, Payment};
use super::rules::{self, Announcement, Answer, Cancellation, Facts, Step};
use super::{Amount, Charge, Currency, OrderId, State, Token};
use crate::settings::WorkerSettings;

/// Why a payment could not be changed. The transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The announcement.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Passing for StoreError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) | Self::Append(AppendError::Database(error)) => error.is_passing(),
            Self::Append(_) => false,
        }
    }
}

/// A payment that was asked for.
#[derive(Debug, Clone)]
pub struct Requested {
    /// The order.
    pub order_id: OrderId,
    /// What is to be charged.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// What the buyer pays with; `None`: what they gave is no token.
    pub token: Option<Token>,
    /// What caused it.
    pub trace: TraceContext,
}

/// A row, as far as changes need it.
#[derive(sqlx::FromRow)]
struct Row {
    payment_id: Uuid,
    order_id: OrderId,
    amount: Amount,
    currency: Currency,
    state: State,
    is_cancelled: bool,
    charge_id: Option<String>,
    charged_amount: Option<Decimal>,
    charged_currency: Option<String>,
    tries: i32,
    wrong_answers: i32,
    version: i64,
    #[sqlx(try_from = "String")]
    trace: TraceContext,
    token: Option<Token>,
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "payment.payment_id, payment.order_id, payment.amount, payment.currency, payment.state,
         payment.cancelled_at is not null as is_cancelled, payment.charge_id, payment.charged_amount,
         payment.charged_currency, payment.tries, payment.wrong_answers, payment.version, payment.trace, payment.token"
    };
}

impl Row {
    fn charge(&self) -> Option<Charge> {
        let (id, amount) = (self.charge_id.clone()?, self.charged_amount?);
        Some(Charge { id, amount, currency: self.charged_currency.clone()? })
    }

    fn facts(&self) -> Facts {
        Facts {
            state: self.state,
            amount: self.amount,
            currency: self.currency.clone(),
            is_cancelled: self.is_cancelled,
            charge: self.charge(),
            tries: self.tries,
            wrong_answers: self.wrong_answers,
        }
    }
}

/// Writes the row of work for a payment. An order is paid once: where it has a payment, that one stays, also when it
/// is one that was cancelled before it was asked for.
///
/// A payment without a token fails at once.
pub async fn request(tx: &mut Transaction<'_, Postgres>, requested: &Requested) -> Result<(), StoreError> {
    let state = if requested.token.is_some() { State::Requested } else { State::Failed };
    let reason = requested.token.is_none().then_some("the payment token is none");
    let inserted: Option<Uuid> = sqlx::query_scalar(
        "insert into payment (payment_id, order_id, amount, currency, token, state, reason, due, asked_since, trace, version)
         values ($1, $2, $3, $4, $5, $6, $7,
                 case when $6 = 'requested' then now() end, case when $6 = 'requested' then now() end, $8,
                 case when $6 = 'requested' then 0 else 1 end)
         on conflict (order_id) do nothing returning payment_id",
    )
    .bind(Uuid::now_v7())
    .bind(&requested.order_id)
    .bind(requested.amount)
    .bind(&requested.currency)
    .bind(&requested.token)
    .bind(state)
    .bind(reason)
    .bind(serde_json::to_string(&requested.trace).unwrap_or_default())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(payment_id) = inserted else {
        tracing::info!(order = %requested.order_id, "the order has its payment already");
        return Ok(());
    };
    event_bus::crash_point!("payment.row_written");
    if let Some(reason) = reason {
        let payment = Payment {
            order_id: requested.order_id.clone(),
            payment_id,
            amount: requested.amount,
            currency: requested.currency.clone(),
            reason: Some(reason.to_owned()),
            version: 1,
        };
        events::append(tx, Announcement::Failed, payment, &requested.trace).await?;
    }
    Ok(())
}

/// Cancels the payment of an order: see [`rules::cancelled`]. One that was not asked for yet never will be charged.
pub async fn cancel(
    tx: &mut Transaction<'_, Postgres>,
    requested: &Requested,
) -> Result<Cancellation, sqlx::Error> {
    sqlx::query(
        "insert into payment (payment_id, order_id, amount, currency, state, cancelled_at, trace)
         values ($1, $2, $3, $4, 'cancelled', now(), $5) on conflict (order_id) do nothing",
    )
    .bind(Uuid::now_v7())
    .bind(&requested.order_id)
    .bind(requested.amount)
    .bind(&requested.currency)
    .bind(serde_json::to_string(&requested.trace).unwrap_or_default())
    .execute(&mut **tx)
    .await?;
    let query = concat!("select ", columns!(), " from payment where order_id = $1 for update");
    let row: Row = sqlx::query_as(query).bind(&requested.order_id).fetch_one(&mut **tx).await?;
    let cancellation = rules::cancelled(&row.facts());
    let update = match cancellation {
        Cancellation::Nothing => return Ok(cancellation),
        Cancellation::Cancel => {
            "update payment set state = 'cancelled', cancelled_at = now(), due = null, token = null, changed_at = now()
              where payment_id = $1"
        }
        Cancellation::RefundWhatIsCharged => {
            "update payment set cancelled_at = now(), changed_at = now() where payment_id = $1"
        }
        Cancellation::Refund => {
            "update payment set state = 'refunding', cancelled_at = now(), due = now(), asked_since = now(),
                    wrong_answers = 0, problem = null, token = null, changed_at = now()
              where payment_id = $1"
        }
    };
    sqlx::query(update).bind(row.payment_id).execute(&mut **tx).await?;
    Ok(cancellation)
}

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

/// Takes at most `limit` payments that are due, for as long as `lease`.
pub async fn take(pool: &PgPool, limit: usize, lease: Duration) -> Result<Vec<Work>, sqlx::Error> {
    let query = concat!(
        "with taken as (select payment_id from payment where due <= now() order by due limit $1 for update skip locked)
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
) -> Result<Option<Step>, StoreError> {
    retried(|| async {
        let mut tx = pool.begin().await?;
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
                    let payment = Payment {
                        order_id: row.order_id,
                        payment_id: row.payment_id,
                        amount: row.amount,
                        currency: row.currency,
                        reason: reason.clone(),
                        version,
                    };
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

/// How many payments are held for an operator.
pub async fn held(pool: PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from payment where state = 'held'").fetch_one(&pool).await
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
