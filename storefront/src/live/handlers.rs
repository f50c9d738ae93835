//! The route of a buyer's stream.

use actix_web::http::StatusCode;
use actix_web::{get, web};
use service_kit::problem::Problem;
use service_kit::server::Stopping;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{Hub, Subscription};
use super::stream::{Signal, Signals, respond};
use crate::pages::{Answer, Visit};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(live);
}

/// Tells an open page what happens to the visitor's cart.
#[get("/live")]
async fn live(visit: Visit, hub: web::Data<Hub>, stopping: web::Data<Stopping>) -> Answer {
    let user = visit.user()?;
    let subscription = hub.subscribe(user).ok_or_else(|| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-pages", "too many pages are open")
            .detail("close some of them: this page works, but is not live")
    })?;
    Ok(respond(user, &stopping, |signals| follow(subscription, signals)))
}

async fn follow(mut subscription: Subscription, signals: Signals) {
    if let Some(first) = subscription.first.take() {
        signals.send(first).await;
    }
    loop {
        let signal = match subscription.signals.recv().await {
            Ok(signal) => signal,
            // The page missed some signals: one renewal is enough.
            Err(RecvError::Lagged(_)) => Signal::Changed,
            Err(RecvError::Closed) => return,
        };
        if !signals.send(signal).await {
            return;
        }
    }
}
