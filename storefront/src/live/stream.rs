//! The server-sent events of one page.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use service_kit::server::Stopping;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::session::User;

/// A silent stream sends a comment this often, so that proxies and browsers keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Signals that may wait for one page.
const BUFFER: usize = 16;

/// The reconnection time in milliseconds, and a comment.
const GREETING: &str = "retry: 1500\n: connected\n\n";

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
    let greeting = stream::iter([Ok::<_, Infallible>(Bytes::from_static(GREETING.as_bytes()))]);
    let signals = stream::unfold(receiver, async |mut receiver| {
        let bytes = match timeout(HEARTBEAT, receiver.recv()).await {
            Ok(signal) => encode(&signal?),
            Err(_elapsed) => Bytes::from_static(b": alive\n\n"),
        };
        Some((Ok(bytes), receiver))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Without this header, nginx buffers the stream.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(greeting.chain(signals))
}

fn encode(signal: &Signal) -> Bytes {
    let (event, data) = match signal {
        Signal::Changed => ("changed", String::new()),
        // A line break would end the field.
        Signal::Alert(sentence) => ("changed", sentence.replace(['\r', '\n'], " ")),
        Signal::Unavailable => ("unavailable", String::new()),
        Signal::Over => ("over", String::new()),
    };
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_cannot_contain_another_event() {
        let alert = encode(&Signal::Alert("one\n\nevent: evil\r\n\r\n".to_owned()));
        assert_eq!(String::from_utf8_lossy(&alert).lines().count(), 3, "{alert:?}");
    }
}
