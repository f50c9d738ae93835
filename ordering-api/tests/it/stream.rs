//! Changes as server-sent events.

use std::time::Duration;

use futures_util::{StreamExt, stream::BoxStream};
use ordering_api::subscriptions::EndGracePeriod;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, checkout, problem};

const SOON: Duration = Duration::from_secs(10);

/// An open stream.
struct Stream {
    chunks: BoxStream<'static, reqwest::Result<actix_web::web::Bytes>>,
    unread: String,
}

impl Stream {
    async fn open(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { chunks: answer.bytes_stream().boxed(), unread: String::new() }
    }

    /// The next change: its id and its data.
    async fn next(&mut self) -> (i64, Value) {
        loop {
            let Some((block, rest)) = self.unread.split_once("\n\n") else {
                let chunk =
                    tokio::time::timeout(SOON, self.chunks.next()).await.expect("the stream sends something");
                self.unread.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
                continue;
            };
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.unread = rest;
            let Some(event) = block.strip_prefix("event: order-changed\nid: ") else { continue };
            let (id, data) = event.split_once("\ndata: ").unwrap();
            return (id.parse().unwrap(), serde_json::from_str(data).unwrap());
        }
    }
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn each_change_of_a_buyers_orders_reaches_their_open_stream_once(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "10.00");
    let first = app.order("alice", &body).await;
    let mut stream = Stream::open(app.request(Method::GET, "/stream", "alice")).await;
    app.order("bob", &body).await;
    let second = app.order("alice", &body).await;
    let (id, data) = stream.next().await;
    assert_eq!((id, &data["orderId"], &data["status"]), (2, &json!(second), &json!("submitted")));
    app.cancel("alice", first).await;
    let (id, data) = stream.next().await;
    assert_eq!((id, &data["orderId"], &data["reason"]), (3, &json!(first), &json!("buyer")));
    // Not by this process: without a notification it is found by polling.
    app.happens(&EndGracePeriod, second, json!({})).await;
    assert_eq!(stream.next().await.1["status"], "awaiting_stock");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_stream_goes_on_after_the_last_change_that_its_client_has_seen(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    for _ in 0..3 {
        app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    }
    for request in [
        app.request(Method::GET, "/stream", "alice").header("last-event-id", "1"),
        app.request(Method::GET, "/stream?lastEventId=1", "alice"),
    ] {
        let mut stream = Stream::open(request).await;
        assert_eq!((stream.next().await.0, stream.next().await.0), (2, 3));
    }
    let wrong = app.request(Method::GET, "/stream", "alice").header("last-event-id", "x");
    problem(wrong.send().await.unwrap(), 400).await;
    // From before a restore: what comes next is sent.
    let mut stream = Stream::open(app.request(Method::GET, "/stream?lastEventId=99", "alice")).await;
    app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    assert_eq!(stream.next().await.0, 4);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_buyer_has_so_many_streams_and_no_more(pool: PgPool) {
    let app = TestApp::spawn_with(&pool, &[("APP__STREAMS__MAX_PER_BUYER", "1")]).await;
    let stream = Stream::open(app.request(Method::GET, "/stream", "alice")).await;
    problem(app.request(Method::GET, "/stream", "alice").send().await.unwrap(), 429).await;
    Stream::open(app.request(Method::GET, "/stream", "bob")).await;
    drop(stream);
}
