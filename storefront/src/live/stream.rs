//! The server-sent events of one page.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use chrono::Utc;
use futures_util::stream;
use service_kit::server::Stopping;
use service_kit::sse;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::session::User;

/// Signals that may wait for one page.
const BUFFER: usize = 16;

/// When a page that loses its stream connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(1500);

/// What a page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The page's live parts have changed.
    Changed,
    /// The same, with a sentence that the page shows and screen readers read out.
    Alert(String),
    /// The source of changes does not answer: the page may be out of date.
    Unavailable,
    /// The stream ends, and the page must not connect again.
    Over,
}

/// Sends signals to one page.
#[derive(Debug, Clone)]
pub(crate) struct Signals(mpsc::Sender<Signal>);

impl Signals {
    /// Sends a signal; false if the page has disconnected.
    pub(crate) async fn send(&self, signal: Signal) -> bool {
        self.0.send(signal).await.is_ok()
    }
}

/// Answers with a stream that `feed` writes until it returns, the page disconnects, the user's session is over, or
/// the service stops. A page that is cut off by a stop connects again, to the next process.
pub(crate) fn respond<F, R>(user: &User, stopping: &Stopping, feed: F) -> HttpResponse
where
    F: FnOnce(Signals) -> R,
    R: Future<Output = ()> + 'static,
{
    let (sender, receiver) = mpsc::channel(BUFFER);
    let feed = feed(Signals(sender.clone()));
    let left = (user.expires_at - Utc::now()).to_std().unwrap_or_default();
    let stop = stopping.0.clone();
    actix_web::rt::spawn(async move {
        tokio::select! {
            () = feed => {}
            () = sender.closed() => {}
            () = stop.cancelled() => {}
            () = tokio::time::sleep(left) => drop(sender.send(Signal::Over).await),
        }
    });
    let signals = stream::unfold(receiver, async |mut receiver| {
        let bytes = match timeout(sse::HEARTBEAT, receiver.recv()).await {
            Ok(signal) => encode(&signal?),
            Err(_elapsed) => sse::ALIVE,
        };
        Some((bytes, receiver))
    });
    sse::respond(RECONNECT_AFTER, signals)
}

fn encode(signal: &Signal) -> Bytes {
    let (event, data) = match signal {
        Signal::Changed => ("changed", ""),
        Signal::Alert(sentence) => ("changed", sentence.as_str()),
        Signal::Unavailable => ("unavailable", ""),
        Signal::Over => ("over", ""),
    };
    sse::event(event, None, data).into()
}
