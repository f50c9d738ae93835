//! The route of a buyer's stream.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use chrono::Utc;
use service_kit::problem::Problem;
use service_kit::server::Stopping;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{Seat, Source};
use super::{Signal, Signals, respond};
use crate::pages::Visit;

/// Adds the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(live);
}

/// Tells an open page of the visitor what happens to their cart, until the page is gone, the session is over,
/// or the service stops.
#[get("/live")]
async fn live(visit: Visit, stopping: web::Data<Stopping>) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    let seat = visit.shop.hub.join(user).ok_or_else(|| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-pages", "too many pages are open")
            .detail("close some of them: this one works, but is not live")
    })?;
    let left = (user.expires_at - Utc::now()).to_std().unwrap_or_default();
    let stopping = stopping.0.clone();
    Ok(respond(async move |signals| {
        tokio::select! {
            () = follow(seat, &signals) => {}
            () = tokio::time::sleep(left) => drop(signals.send(Signal::Over).await),
            () = stopping.cancelled() => {}
        }
    }))
}

async fn follow(mut seat: Seat, signals: &Signals) {
    // A page that comes later may have been rendered before the last change.
    let first = match seat.source {
        Source::Connecting => None,
        Source::Live => Some(Signal::Changed),
        Source::Away => Some(Signal::Away),
    };
    if let Some(first) = first {
        signals.send(first).await;
    }
    loop {
        let signal = match seat.signals.recv().await {
            Ok(signal) => signal,
            // Who has missed some refreshes once for all of them.
            Err(RecvError::Lagged(_)) => Signal::Changed,
            Err(RecvError::Closed) => return,
        };
        if !signals.send(signal).await {
            return;
        }
    }
}
