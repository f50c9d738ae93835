//! A provider that answers as a test wants it to.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// This status line, these headers and this body.
    Is(&'static str, &'static str, String),
    /// The connection ends without one.
    Cut,
    /// None comes.
    Silence,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// The provider: gives the answers in their order, and the last one for ever.
pub(crate) struct Provider {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Provider {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, replies.clone(), Arc::clone(&noted)));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, replies: Vec<Reply>, seen: Arc<Mutex<Vec<Seen>>>) -> Option<()> {
    let request = read(&mut stream).await?;
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    match replies.get(number).or(replies.last())? {
        Reply::Is(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        Reply::Cut => {}
        Reply::Silence => std::future::pending().await,
    }
    Some(())
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .into_iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return Some(Seen {
                path: head.split(' ').nth(1)?.to_owned(),
                key: header("idempotency-key")?,
                body: serde_json::from_str(body).unwrap_or_default(),
                at: Instant::now(),
            });
        }
    }
}

/// The provider says that it has charged this.
pub(crate) fn charged(amount: &str, currency: &str) -> Reply {
    let body = serde_json::json!({"status": "succeeded", "chargeId": "ch_1", "amount": amount, "currency": currency});
    Reply::Is("200 OK", "content-type: application/json\r\n", body.to_string())
}

/// The provider says that it has refunded this.
pub(crate) fn refunded(amount: &str, currency: &str) -> Reply {
    let body =
        serde_json::json!({"status": "refunded", "chargeId": "ch_1", "amount": amount, "currency": currency});
    Reply::Is("200 OK", "content-type: application/json\r\n", body.to_string())
}
