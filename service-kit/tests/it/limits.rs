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

/// Asks for a stream without end, and returns what has come when its first beat is there.
async fn streamed(service: &Service, version: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(service.address).await.expect("a connection");
    let request = format!("GET {path} HTTP/{version}\r\nhost: x\r\nconnection: keep-alive\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let (mut answer, mut part) = (String::new(), [0; 1024]);
    while !answer.contains("beat\n") {
        let reading = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut part));
        let count = reading.await.expect("in time").expect("read");
        assert!(count > 0, "it ended: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    answer.to_lowercase()
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection() {
    let service = Service::start();
    let answer = streamed(&service, "1.0", "/stream").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    for header in ["transfer-encoding", "content-length", "keep-alive"] {
        assert!(!head.contains(header), "{header}: {head}");
    }
    assert_eq!(body, "beat\n");
    assert!(streamed(&service, "1.1", "/stream").await.contains("transfer-encoding: chunked"));
    // A body of known length needs neither.
    let answer = raw(&service, "GET /things/7 HTTP/1.0\r\n\r\n").await.to_lowercase();
    assert!(answer.contains("content-length: 1\r\n") && answer.ends_with("\r\n\r\n7"), "{answer}");
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

/// Reads one answer, whose body is `7`.
async fn one_answer(socket: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n7") {
        let reading = tokio::time::timeout(Duration::from_secs(5), socket.read_buf(&mut answer));
        assert!(reading.await.expect("in time").expect("read") > 0, "{}", String::from_utf8_lossy(&answer));
    }
}

/// Waits until the server has ended the connection, whatever it still sends.
async fn until_ended(socket: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest));
    // Cut off while something is on its way, it is a reset.
    drop(reading.await.expect("the connection is ended"));
    start.elapsed()
}

#[tokio::test]
async fn a_later_head_that_stalls_does_not_hold_a_connection_either() {
    let hasty = HttpSettings { header_timeout_ms: 300, idle_timeout_ms: 700, ..HttpSettings::default() };
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let service = Service::limited(hasty, &auth, Readiness::new());
    let mut socket = TcpStream::connect(service.address).await.expect("a connection");
    for _ in 0..2 {
        socket.write_all(b"GET /things/7 HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        one_answer(&mut socket).await;
    }
    socket.write_all(b"GET /things/7 HTTP/1.1\r\nhost: x\r\nx-slow").await.expect("sent");
    assert!(until_ended(&mut socket).await > Duration::from_millis(500), "a client may take that long");
}

#[tokio::test]
async fn a_stream_is_not_ended_for_being_long() {
    let hasty = HttpSettings { header_timeout_ms: 100, idle_timeout_ms: 100, ..HttpSettings::default() };
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let service = Service::limited(hasty, &auth, Readiness::new());
    let mut chunks = service.get("/stream").await.bytes_stream();
    assert_eq!(chunks.next().await.expect("a chunk").expect("read"), "beat\n");
    let next = tokio::time::timeout(Duration::from_secs(3), chunks.next()).await;
    assert!(next.is_err(), "nothing comes, and the stream goes on: {next:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_does_not_read_is_left() {
    let hasty = HttpSettings { unread_timeout_ms: 500, ..HttpSettings::default() };
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let service = Service::limited(hasty, &auth, Readiness::new());
    let mut socket = TcpStream::connect(service.address).await.expect("a connection");
    socket.write_all(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    // What is on its way fills the buffers; then the server gives up, and its stream is dropped.
    tokio::time::timeout(Duration::from_secs(10), crate::service::FLOOD_ENDED.notified())
        .await
        .expect("the stream is dropped");
    until_ended(&mut socket).await;
}
