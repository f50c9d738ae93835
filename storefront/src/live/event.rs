//! What is sent to a page, and the answer that sends it.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often something is sent, at least, so that proxies and browsers see that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Signals that may wait for one page.
const BACKLOG: usize = 16;

/// When a browser connects again after a stream ended, in milliseconds.
const GREETING: &str = "retry: 1500\n: connected\n\n";

/// What a page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Its live parts have changed: it asks for them again.
    Changed,
    /// The same, and this sentence is shown, and read out to those who listen.
    Said(String),
    /// Where changes come from does not answer: what the page shows may be old.
    Away,
    /// There will be no more: a page need not connect again.
    Over,
}

/// Where signals for one page are put.
#[derive(Debug, Clone)]
pub struct Signals(mpsc::Sender<Signal>);

impl Signals {
    /// Sends a signal; false once the page is gone.
    pub async fn send(&self, signal: Signal) -> bool {
        self.0.send(signal).await.is_ok()
    }

    /// Waits until the page is gone.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

/// A stream to one page, which `feed` writes until it returns. It is dropped when the page is gone.
pub fn respond<F, R>(feed: F) -> HttpResponse
where
    F: FnOnce(Signals) -> R,
    R: Future<Output = ()> + 'static,
{
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let signals = Signals(sender.clone());
    let feed = feed(signals);
    actix_web::rt::spawn(async move {
        tokio::select! {
            () = feed => {}
            () = sender.closed() => {}
        }
    });
    let greeting = stream::iter([Ok::<_, Infallible>(Bytes::from_static(GREETING.as_bytes()))]);
    let signals = stream::unfold(receiver, async |mut receiver| {
        let bytes = tokio::select! {
            signal = receiver.recv() => encode(&signal?),
            () = tokio::time::sleep_until(Instant::now() + HEARTBEAT) => Bytes::from_static(b": alive\n\n"),
        };
        Some((Ok(bytes), receiver))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies of the nginx family would collect the stream before they pass it on.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(futures_util::StreamExt::chain(greeting, signals))
}

fn encode(signal: &Signal) -> Bytes {
    let text = match signal {
        Signal::Changed => "event: changed\ndata:\n\n".to_owned(),
        // A line break would end the field.
        Signal::Said(sentence) => {
            format!("event: changed\ndata: {}\n\n", sentence.replace(['\r', '\n'], " "))
        }
        Signal::Away => "event: away\ndata:\n\n".to_owned(),
        Signal::Over => "event: over\ndata:\n\n".to_owned(),
    };
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_cannot_become_an_event_of_its_own() {
        let said = encode(&Signal::Said("one\n\nevent: evil\r\n\r\n".to_owned()));
        assert_eq!(String::from_utf8_lossy(&said).lines().count(), 3, "{said:?}");
    }
}
