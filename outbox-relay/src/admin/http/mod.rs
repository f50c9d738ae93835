//! The operator's routes, all under the scope `ops`.

mod decisions;
mod events;
mod failed;
mod overview;
mod scheduled;

use service_kit::problem::Problem;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::store::StoreError;

/// Adds the operator's routes.
pub(crate) fn routes(cfg: &mut ServiceConfig<'_>) {
    overview::routes(cfg);
    events::routes(cfg);
    decisions::routes(cfg);
    failed::routes(cfg);
    scheduled::routes(cfg);
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "an operator's request failed");
        Self::unavailable("a database cannot be used now, try again", 1)
    }
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("no log of this relay has the event {id}"))
}
