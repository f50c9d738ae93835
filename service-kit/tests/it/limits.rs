//! What one client cannot do to the others.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use service_kit::server::Readiness;
use service_kit::settings::{AuthSettings, HttpSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{SECRET, Service, problem};

/// Sends text as it is and returns what comes back until the server closes the connection.
async fn raw(service: &Service, text: &str) -> String {
    let mut socket = TcpStream::connect(service.address).await.expect("a connection");
    socket.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("closed in time").expect("read");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let service = Service::start();
    for size in [1025, 100_000, 3_000_000] {
        problem(service.post(vec![b' '; size]).await, 413, "too-large").await;
    }
    let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1024])).take(3000);
    problem(service.post(reqwest::Body::wrap_stream(chunks)).await, 413, "too-large").await;
    let exact = format!("{:1024}", r#"{"name":"a","size":1}"#);
    assert_eq!(service.post(exact).await.status(), 200);
}

#[tokio::test]
async fn a_body_that_stalls_is_408_and_the_connection_ends() {
    let service = Service::start();
    let head = "POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for body in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n5\r\n{"] {
        let answer = raw(&service, &format!("{head}{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("/problems/request-timeout"), "{answer}");
    }
}

#[tokio::test]
async fn headers_that_stall_do_not_hold_a_connection() {
    let service = Service::start();
    let start = Instant::now();
    raw(&service, "GET /things HTTP/1.1\r\nhost: x\r\nx-slow").await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn many_slow_clients_do_not_hold_up_the_others() {
    // Slow clients are let wait for a minute, on the only worker there is.
    let patient = HttpSettings { body_timeout_ms: 60_000, ..HttpSettings::default() };
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let service = Service::limited(patient, &auth, Readiness::new());
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut socket = TcpStream::connect(service.address).await.expect("a connection");
        let head = b"POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        socket.write_all(head).await.expect("sent");
        slow.push(socket);
    }
    let start = Instant::now();
    assert_eq!(service.get("/things/7").await.status(), 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // And they are served all the same, once they go on.
    let socket = slow.last_mut().expect("one");
    socket.write_all(b"nonsense").await.expect("sent");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[tokio::test]
async fn connections_over_the_limit_wait_and_are_not_dropped() {
    let few = HttpSettings { max_connections: 2, header_timeout_ms: 500, ..HttpSettings::default() };
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let service = Service::limited(few, &auth, Readiness::new());
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(service.address).await.expect("a connection"));
    }
    // Those who say nothing lose their places to those who wait.
    assert_eq!(service.get("/things/7").await.status(), 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503() {
    let service = Service::start();
    let answer = service.get("/never").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    problem(answer, 503, "unavailable").await;
}

#[tokio::test]
async fn stopping_ends_streams_cleanly_and_soon() {
    let mut service = Service::start();
    let answer = service.get("/stream").await;
    let mut chunks = answer.bytes_stream();
    assert_eq!(chunks.next().await.expect("a chunk").expect("read"), "beat\n");
    let start = Instant::now();
    service.stop.cancel();
    assert!(chunks.next().await.is_none(), "the stream ends, and not with an error");
    let served = service.served.take().expect("running");
    served.await.expect("no panic").expect("a clean end");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
