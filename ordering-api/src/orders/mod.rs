//! Orders: what they are, how they are placed, how they go on, how they are found.

pub mod body;
mod caller;
pub mod checkout;
pub mod events;
pub mod handlers;
pub mod model;
pub mod place;
pub mod process;
mod reading;
pub mod rules;
pub mod store;

use std::sync::Arc;

use sqlx::PgPool;

pub use model::OrderId;
pub use rules::{Reason, Status};
pub use service_kit::auth::BuyerId;

use place::Policy;

/// What the routes of orders share.
pub struct Orders {
    pool: PgPool,
    policy: Policy,
    notify: Arc<dyn Fn() + Send + Sync>,
}

impl Orders {
    /// Orders in this database; `notify` is called after each commit that has events.
    pub fn new(pool: PgPool, policy: Policy, notify: impl Fn() + Send + Sync + 'static) -> Self {
        Self { pool, policy, notify: Arc::new(notify) }
    }
}

/// Says what the metrics of this module mean.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "order_events_without_effect_total",
        "Events that came again, or after their order had gone on, and changed nothing."
    );
    metrics::counter!("order_events_without_effect_total").increment(0);
}

/// The path that the routes of orders begin with.
pub const BASE: &str = "/api/v1/orders";
