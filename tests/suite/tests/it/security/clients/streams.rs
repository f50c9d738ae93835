//! Streams of alerts that are left open, and some that are never read.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use suite_tests::{Buyer, Merchant, Suite};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::crowd::{SOON, Taken, address, connect, make_room, served_while};

/// As many as one process has places for, unless it is told otherwise.
const STREAMS: usize = 5_000;

/// Buyers who open theirs at the same time.
const AT_ONCE: usize = 100;

const LONG: Duration = Duration::from_secs(40);

fn request(buyer: &str, from: &str) -> String {
    let token = test_kit::token(buyer, "");
    format!(
        "GET /api/v1/basket/{buyer}/alerts/stream{from} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    )
}

/// Reads until `text` has come.
async fn until(socket: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    let coming = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert!(
                socket.read_buf(&mut seen).await.expect("read") > 0,
                "{}",
                String::from_utf8_lossy(&seen)
            );
        }
    };
    tokio::time::timeout(LONG, coming).await.unwrap_or_else(|_| panic!("no {text:?}"));
}

async fn stream_of(buyer: &str, address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(request(buyer, "").as_bytes()).await.expect("sent");
    until(&mut socket, ": connected").await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_streams_hold_up_nobody() {
    make_room(STREAMS);
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let places = STREAMS.to_string();
    // With so few files to begin with, the service has to ask for more itself.
    let basket = suite.start_basket_with_files(&catalog, 256, &[("APP__STREAMS__MAX", &places)]);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    let (before, address) = (Taken::by(&basket), address(&basket));

    let started = Instant::now();
    let mut listening = stream_of("alice", address).await;
    let crowd = stream::iter(1..STREAMS)
        .map(async |number| stream_of(&format!("buyer{number}"), address).await)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<TcpStream>>();
    let crowd = served_while(format!("{}/health/ready", basket.url), crowd).await;
    println!("{STREAMS} streams are open after {:?}", started.elapsed());
    before.bounds(&basket, 128);

    let late = Buyer::of(&basket, "late");
    let refused = late.request(Method::GET, "/alerts/stream").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");

    for price in ["21.00", "22.00", "23.00"] {
        Merchant::of(&catalog).price(7, price).await;
        tokio::time::timeout(SOON, alice.until_price(price)).await.expect("carts are served as ever");
    }
    until(&mut listening, "\"newPrice\":\"23.00\"").await;

    drop((crowd, listening));
    before.is_back(&basket, LONG).await;
    before.bounds(&basket, 128);
    assert_eq!(late.request(Method::GET, "/alerts/stream").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_loses_its_place_and_its_connection() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[("APP__HTTP__UNREAD_TIMEOUT_MS", "6000")]);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    for cents in 10..60 {
        Merchant::of(&catalog).price(7, &format!("5.{cents}")).await;
    }
    alice.until_price("5.59").await;
    let (before, address) = (Taken::by(&basket), address(&basket));

    let mut unread = Vec::new();
    for _ in 0..16 {
        let mut socket = connect(address).await;
        socket.write_all(request("alice", "?lastEventId=0").as_bytes()).await.unwrap();
        socket.readable().await.unwrap();
        unread.push(socket);
    }
    let refused = alice.request(Method::GET, "/alerts/stream").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "30");
    tokio::time::timeout(SOON, alice.cart()).await.expect("carts are served as ever");

    before.is_back(&basket, LONG).await;
    let answer = alice.request(Method::GET, "/alerts/stream").send().await.unwrap();
    assert_eq!(answer.status(), 200, "the places are free again");
    before.bounds(&basket, 32);
    drop(unread);
}
