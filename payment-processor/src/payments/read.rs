//! What operators see of payments.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use service_kit::page::Window;
use service_kit::retry::retried;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Amount, Currency, OrderId, State};

/// A payment. What the buyer pays with is not shown.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub struct PaymentBody {
    payment_id: Uuid,
    order_id: OrderId,
    state: State,
    amount: Amount,
    currency: Currency,
    /// Whether the order was cancelled: what is charged all the same is refunded.
    is_cancelled: bool,
    /// The provider's name for the charge.
    charge_id: Option<String>,
    /// What the provider says it has charged.
    #[schema(value_type = Option<String>)]
    charged_amount: Option<Decimal>,
    charged_currency: Option<String>,
    /// Why it failed, or is held.
    reason: Option<String>,
    /// Why the provider's last answer tells no outcome.
    problem: Option<String>,
    /// How often the provider was asked, or was about to be.
    tries: i32,
    /// When the provider is asked again; while it is being asked, when another process may.
    due: Option<DateTime<Utc>>,
    /// Since when the outcome is sought.
    asked_since: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

/// What `PaymentBody` is read from.
macro_rules! bodies {
    ($rest:literal) => {
        concat!(
            "select payment_id, order_id, state, amount, currency, cancelled_at is not null as is_cancelled, charge_id,
                    charged_amount, charged_currency, reason, problem, tries, due, asked_since, created_at, changed_at
               from payment ",
            $rest
        )
    };
}

/// Which payments are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this order.
    pub order_id: Option<OrderId>,
}

/// Lists payments, the newest first, and counts all that fit.
pub async fn list(
    pool: &PgPool,
    filter: &Filter,
    window: Window,
) -> Result<(i64, Vec<PaymentBody>), sqlx::Error> {
    let count = retried(|| async {
        sqlx::query_scalar(
            "select count(*) from payment where ($1::text is null or state = $1) and ($2::text is null or order_id = $2)",
        )
        .bind(filter.state)
        .bind(&filter.order_id)
        .fetch_one(pool)
        .await
    });
    let page = retried(|| async {
        sqlx::query_as(bodies!(
            "where ($1::text is null or state = $1) and ($2::text is null or order_id = $2)
             order by created_at desc, payment_id desc offset $3 limit $4"
        ))
        .bind(filter.state)
        .bind(&filter.order_id)
        .bind(window.offset())
        .bind(window.limit())
        .fetch_all(pool)
        .await
    });
    Ok((count.await?, page.await?))
}

/// Finds a payment.
pub async fn find(pool: &PgPool, payment_id: Uuid) -> Result<Option<PaymentBody>, sqlx::Error> {
    retried(|| async {
        sqlx::query_as(bodies!("where payment_id = $1")).bind(payment_id).fetch_optional(pool).await
    })
    .await
}

/// How many payments are in a state.
#[derive(Debug, sqlx::FromRow)]
pub struct Count {
    /// The state.
    pub state: State,
    /// How many.
    pub count: i64,
    /// How many of them have had no outcome for longer than they should.
    pub overdue: i64,
    /// What the provider said last to the one of these that waits longest.
    pub problem: Option<String>,
}

/// Counts payments by state.
pub async fn counts(pool: &PgPool, overdue_seconds: u32) -> Result<Vec<Count>, sqlx::Error> {
    retried(|| async {
        sqlx::query_as(
            // All payments are only counted: what is overdue is read by the index of those that are due.
            "with overdue as (
                 select state, count(*),
                        (array_agg(problem order by asked_since) filter (where problem is not null))[1] as problem
                   from payment
                  where due is not null and asked_since < now() - $1 * interval '1 second'
                  group by state
             )
             select state, counted.count, coalesce(overdue.count, 0) as overdue, problem
               from (select state, count(*) from payment group by state) as counted
               left join overdue using (state) order by state",
        )
        .bind(i64::from(overdue_seconds))
        .fetch_all(pool)
        .await
    })
    .await
}

/// Whether a payment is held, or has had no outcome for longer than it should.
pub async fn waits_for_an_operator(pool: &PgPool, overdue_seconds: u32) -> Result<bool, sqlx::Error> {
    retried(|| async {
        sqlx::query_scalar(
            "select exists (select from payment where state = 'held')
                 or exists (select from payment
                             where due is not null and asked_since < now() - $1 * interval '1 second')",
        )
        .bind(i64::from(overdue_seconds))
        .fetch_one(pool)
        .await
    })
    .await
}
