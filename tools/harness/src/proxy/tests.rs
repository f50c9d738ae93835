//! A proxy between a client and an echo.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::*;

async fn proxy() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Proxy::open("127.0.0.1", port, Protocol::Postgres).await.unwrap()
}

/// A client that has said hello, which counts as the first call.
async fn client(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert!(echoes(&mut stream, &[0, 0, 0, 5, 0]).await);
    stream
}

const QUERY: [u8; 5] = [b'Q', 0, 0, 0, 4];

async fn echoes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut answer = vec![0; bytes.len()];
    let exchange = async {
        stream.write_all(bytes).await?;
        stream.read_exact(&mut answer).await
    };
    timeout(Duration::from_millis(500), exchange).await.is_ok_and(|done| done.is_ok()) && answer == bytes
}

#[tokio::test]
async fn a_silent_proxy_says_nothing_and_delivers_everything_afterwards() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Mode::Silent);
    assert!(!echoes(&mut client, &QUERY).await);
    proxy.set(Mode::Pass);
    let mut late = [0; 5];
    client.read_exact(&mut late).await.unwrap();
    assert_eq!(late, QUERY);
}

#[tokio::test]
async fn a_slow_proxy_delays_both_ways() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Mode::Delay(Duration::from_millis(50)));
    let asked = Instant::now();
    assert!(echoes(&mut client, &QUERY).await);
    assert!(asked.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_reset_reaches_every_connection_and_the_next_one_works() {
    let proxy = proxy().await;
    let (mut one, mut two) = (client(&proxy).await, client(&proxy).await);
    assert_eq!(proxy.reset(), 2);
    assert_eq!(one.read(&mut [0]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(!echoes(&mut two, &QUERY).await);
    client(&proxy).await;
}

#[tokio::test]
async fn half_closed_the_client_sees_the_end_and_may_still_send() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Mode::HalfClosed);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    client.write_all(&QUERY).await.unwrap();
}

#[tokio::test]
async fn the_nth_call_is_cut_and_no_other() {
    for cut in [Cut::Before(2), Cut::After(2)] {
        let proxy = proxy().await;
        let mut client = client(&proxy).await;
        proxy.cut_at(cut);
        assert!(echoes(&mut client, &QUERY).await);
        client.write_all(&QUERY).await.unwrap();
        // After: the answer may come while the call is being carried out; then the reset.
        let mut answer = Vec::new();
        assert!(client.read_to_end(&mut answer).await.is_err());
        assert_eq!(proxy.cuts(), 1);
    }
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.never_cut();
    assert!(echoes(&mut client, &QUERY).await && echoes(&mut client, &QUERY).await);
}
