//! Tells open pages that an order of the buyer has changed.

use std::time::Duration;

use actix_web::{get, web};
use service_kit::server::Stopping;

use crate::clients::OrderingClient;
use crate::live::{Signal, Signals, respond};
use crate::pages::{Answer, Visit};
use crate::session::User;

/// How long after a failure the stream of orders is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// The longest silence of a stream: a little over two of its heartbeats.
const MAX_SILENCE: Duration = Duration::from_secs(35);

#[get("/orders/live")]
pub(super) async fn follow(visit: Visit, stopping: web::Data<Stopping>) -> Answer {
    let user = visit.user()?;
    let (ordering, reader) = (visit.shop.ordering()?.clone(), user.clone());
    Ok(respond(user, &stopping, move |signals| pass_on(ordering, reader, signals)))
}

/// Sends a signal for everything that comes on the stream of orders, until the page disconnects.
async fn pass_on(ordering: OrderingClient, user: User, signals: Signals) {
    loop {
        match ordering.stream(&user).await {
            Ok(mut stream) => {
                // Something may have changed since the page was rendered.
                if !signals.send(Signal::Changed).await {
                    return;
                }
                while let Ok(Ok(Some(chunk))) = tokio::time::timeout(MAX_SILENCE, stream.chunk()).await {
                    // A heartbeat is a comment. What an order has become the page asks for itself.
                    let is_news = chunk.windows(5).any(|part| part == b"data:");
                    if is_news && !signals.send(Signal::Changed).await {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the stream of orders cannot be opened");
                if !signals.send(Signal::Unavailable).await {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
