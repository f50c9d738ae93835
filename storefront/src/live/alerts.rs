//! Reads basket-api's stream of alerts.

use std::time::Duration;

use reqwest::Response;

use crate::clients::Alert;

/// The longest silence of a stream: a little over two of its heartbeats.
const MAX_SILENCE: Duration = Duration::from_secs(35);

/// The largest event, in bytes.
const MAX_EVENT: usize = 64 * 1024;

/// An open stream of alerts.
pub(super) struct AlertReader {
    answer: Response,
    buffer: Vec<u8>,
}

impl AlertReader {
    pub(super) fn new(answer: Response) -> Self {
        Self { answer, buffer: Vec::new() }
    }

    /// The next alert; `None` when the stream has ended, failed, or been silent for too long.
    ///
    /// Cancel safe: a dropped call loses nothing.
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
            let chunk = tokio::time::timeout(MAX_SILENCE, self.answer.chunk()).await.ok()?.ok()??;
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
        assert!(parse(": alive\n\n").is_none());
        assert!(parse("retry: 2000\n: connected\n\n").is_none());
    }
}
