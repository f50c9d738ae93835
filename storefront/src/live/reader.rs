//! Reads basket-api's stream of alerts.

use std::pin::Pin;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;

use crate::backends::Alert;

/// How long the stream may be silent: a little over two of its heartbeats.
const SILENCE: Duration = Duration::from_secs(35);

/// The most of an event that is kept, in bytes; more is no event of ours.
const MAX_EVENT: usize = 64 * 1024;

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// An open stream of alerts.
pub(super) struct AlertReader {
    chunks: Chunks,
    buffer: Vec<u8>,
}

impl AlertReader {
    pub(super) fn new(answer: Response) -> Self {
        Self { chunks: Box::pin(answer.bytes_stream()), buffer: Vec::new() }
    }

    /// The next alert; `None` when the stream has ended, broken off, or fallen silent.
    ///
    /// May be dropped while it waits without losing anything.
    pub(super) async fn next(&mut self) -> Option<Alert> {
        loop {
            while let Some(event) = self.take_event() {
                if let Some(alert) = parse(&event) {
                    return Some(alert);
                }
            }
            if self.buffer.len() > MAX_EVENT {
                return None;
            }
            let chunk = tokio::time::timeout(SILENCE, self.chunks.next()).await.ok()??.ok()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// Takes a complete event, up to the empty line after it, out of the buffer.
    fn take_event(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let rest = self.buffer.split_off(end + 2);
        let event = std::mem::replace(&mut self.buffer, rest);
        Some(String::from_utf8_lossy(&event).into_owned())
    }
}

fn parse(event: &str) -> Option<Alert> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    if field("event:")? != "price-alert" {
        return None;
    }
    let alert = serde_json::from_str(field("data:")?);
    alert.inspect_err(|error| tracing::warn!(%error, "an alert cannot be read")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_and_a_comment_is_not() {
        let data = r#"{"id":42,"kind":"price_changed","productId":7,"productName":"Tarn","oldPrice":"10.00",
            "newPrice":"12.50","createdAt":"2026-01-01T00:00:00Z","acknowledgedAt":null}"#
            .replace('\n', "");
        let alert = parse(&format!("event: price-alert\nid: 42\ndata: {data}\n\n"));
        assert_eq!(alert.map(|alert| (alert.id, alert.product_name)), Some((42, "Tarn".to_owned())));
        assert_eq!(parse(": alive\n\n"), None);
        assert_eq!(parse("retry: 2000\n: connected\n\n"), None);
    }
}
