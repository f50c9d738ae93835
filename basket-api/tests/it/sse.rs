//! A client of server-sent events.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::app::{SOON, TestApp};

/// What a stream sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// An event: its name, its id, its data.
    Event { name: String, id: i64, data: Value },
    /// A line that begins with a colon.
    Comment(String),
    /// The time in ms after which to connect again.
    Retry(u64),
}

/// An open stream.
pub(crate) struct EventSource {
    chunks: futures_util::stream::BoxStream<'static, reqwest::Result<actix_web::web::Bytes>>,
    unread: String,
}

impl EventSource {
    /// Opens a stream of the buyer's alerts, from now on.
    pub(crate) async fn open(app: &TestApp, buyer: &str) -> Self {
        Self::from(app.basket(Method::GET, buyer, "/alerts/stream")).await
    }

    /// Opens a stream with this request.
    pub(crate) async fn from(request: RequestBuilder) -> Self {
        Self::of(request.send().await.unwrap())
    }

    pub(crate) fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self { chunks: answer.bytes_stream().boxed(), unread: String::new() }
    }

    /// The next block, or `None` when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let chunk = self.chunks.next().await?.expect("a stream ends cleanly");
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next thing that the stream sends, or `None` when it has ended.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<Message> {
        let block = tokio::time::timeout(within, self.block()).await.expect("the stream sends something")?;
        let mut event = (String::new(), None, String::new());
        let mut message = None;
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("", comment) => message = message.or(Some(Message::Comment(comment.to_owned()))),
                ("retry", time) => message = Some(Message::Retry(time.parse().unwrap())),
                ("event", name) => name.clone_into(&mut event.0),
                ("id", id) => event.1 = Some(id.parse().unwrap()),
                ("data", data) => event.2.push_str(data),
                _ => panic!("what is {line:?}?"),
            }
        }
        message.or_else(|| {
            let data = serde_json::from_str(&event.2).expect("data is JSON");
            Some(Message::Event { name: event.0, id: event.1.expect("an id"), data })
        })
    }

    /// The next alert; what comes before it must be comments.
    pub(crate) async fn alert(&mut self) -> Value {
        loop {
            match self.next(SOON).await.expect("the stream goes on") {
                Message::Event { name, id, data } => {
                    assert_eq!(name, "price-alert");
                    assert_eq!(data["id"], id);
                    return data;
                }
                Message::Comment(_) | Message::Retry(_) => {}
            }
        }
    }

    /// Expects that the stream ends, and that no alert comes before that.
    pub(crate) async fn ends(&mut self, within: Duration) {
        loop {
            match self.next(within).await {
                None => return,
                Some(Message::Event { data, .. }) => panic!("an alert before the end: {data}"),
                Some(_) => {}
            }
        }
    }
}
