//! The SQL of payments that are asked for and cancelled.

use event_bus::TraceContext;
use rust_decimal::Decimal;
use service_kit::change::ChangeError;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::events::{self, Payment};
use super::rules::{self, Cancellation, Facts};
use super::{Amount, Charge, Currency, OrderId, State, Token};

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
pub(super) struct Row {
    pub(super) payment_id: Uuid,
    pub(super) order_id: OrderId,
    pub(super) amount: Amount,
    pub(super) currency: Currency,
    pub(super) state: State,
    pub(super) is_cancelled: bool,
    pub(super) charge_id: Option<String>,
    pub(super) charged_amount: Option<Decimal>,
    pub(super) charged_currency: Option<String>,
    pub(super) tries: i32,
    pub(super) wrong_answers: i32,
    pub(super) reason: Option<String>,
    pub(super) version: i64,
    #[sqlx(try_from = "String")]
    pub(super) trace: TraceContext,
    pub(super) token: Option<Token>,
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "payment.payment_id, payment.order_id, payment.amount, payment.currency, payment.state,
         payment.cancelled_at is not null as is_cancelled, payment.charge_id, payment.charged_amount,
         payment.charged_currency, payment.tries, payment.wrong_answers, payment.reason, payment.version, payment.trace,
         payment.token"
    };
}

pub(super) use columns;

impl Row {
    pub(super) fn charge(&self) -> Option<Charge> {
        let (id, amount) = (self.charge_id.clone()?, self.charged_amount?);
        Some(Charge { id, amount, currency: self.charged_currency.clone()? })
    }

    pub(super) fn facts(&self) -> Facts {
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

    /// What an event says of it, as of this version.
    pub(super) fn event(&self, reason: Option<String>, version: i64) -> Payment {
        Payment {
            order_id: self.order_id.clone(),
            payment_id: self.payment_id,
            amount: self.amount,
            currency: self.currency.clone(),
            reason,
            version,
        }
    }
}

/// The id of an order's payment, which is the provider's idempotency key for the charge. It follows from the order: a
/// payment that a restored database has forgotten gets the same key when it is asked for again, and no second charge.
fn payment_id(order: &OrderId) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:shop:payment:{order}").as_bytes())
}

/// Writes the row of work for a payment. An order is paid once: where it has a payment, that one stays, also when it
/// is one that was cancelled before it was asked for. What has come of it is then told again: ordering, restored from a
/// backup, has forgotten that.
///
/// A payment without a token fails at once.
pub async fn request(tx: &mut Transaction<'_, Postgres>, requested: &Requested) -> Result<(), ChangeError> {
    let state = if requested.token.is_some() { State::Requested } else { State::Failed };
    let reason = requested.token.is_none().then_some("the payment token is none");
    let query = concat!(
        "insert into payment (payment_id, order_id, amount, currency, token, state, reason, due, asked_since, trace, version)
         values ($1, $2, $3, $4, $5, $6, $7,
                 case when $6 = 'requested' then now() end, case when $6 = 'requested' then now() end, $8,
                 case when $6 = 'requested' then 0 else 1 end)
         on conflict (order_id) do nothing returning ",
        columns!()
    );
    let inserted: Option<Row> = sqlx::query_as(query)
        .bind(payment_id(&requested.order_id))
        .bind(&requested.order_id)
        .bind(requested.amount)
        .bind(&requested.currency)
        .bind(&requested.token)
        .bind(state)
        .bind(reason)
        .bind(serde_json::to_string(&requested.trace).unwrap_or_default())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = inserted else {
        tracing::info!(order = %requested.order_id, "the order has its payment already");
        return tell_again(tx, requested).await;
    };
    event_bus::crash_point!("payment.row_written");
    if let Some(announcement) = rules::announced(row.state) {
        let payment = row.event(row.reason.clone(), row.version);
        events::append(tx, announcement, payment, &requested.trace).await?;
    }
    Ok(())
}

/// Announces once more what has come of an order's payment, if anything has.
async fn tell_again(tx: &mut Transaction<'_, Postgres>, requested: &Requested) -> Result<(), ChangeError> {
    let row = lock(tx, &requested.order_id).await?;
    let Some(announcement) = rules::announced(row.state) else { return Ok(()) };
    let update = "update payment set version = version + 1 where payment_id = $1 returning version";
    let version: i64 = sqlx::query_scalar(update).bind(row.payment_id).fetch_one(&mut **tx).await?;
    events::append(tx, announcement, row.event(row.reason.clone(), version), &requested.trace).await?;
    Ok(())
}

async fn lock(tx: &mut PgConnection, order: &OrderId) -> Result<Row, sqlx::Error> {
    let query = concat!("select ", columns!(), " from payment where order_id = $1 for update");
    sqlx::query_as(query).bind(order).fetch_one(tx).await
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
    .bind(payment_id(&requested.order_id))
    .bind(&requested.order_id)
    .bind(requested.amount)
    .bind(&requested.currency)
    .bind(serde_json::to_string(&requested.trace).unwrap_or_default())
    .execute(&mut **tx)
    .await?;
    let row = lock(tx, &requested.order_id).await?;
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

/// How many payments are held for an operator.
pub async fn held(pool: PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from payment where state = 'held'").fetch_one(&pool).await
}
