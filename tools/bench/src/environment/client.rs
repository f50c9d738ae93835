//! An HTTP client that costs next to nothing: the machine's processors belong to what is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection that is kept. Knows only answers with a length.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to a service on this machine.
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// A request, ready to be sent. Each of its headers is a line.
    pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
        let body = if body.is_empty() {
            "\r\n".to_owned()
        } else {
            format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{headers}{body}")
    }

    /// Sends a request and reads the answer; returns its head. Anything but 200 and 202 is an error.
    pub(crate) async fn call(&mut self, request: &str) -> Result<String> {
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the service closed the connection");
            }
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let length: usize = header(&text, "content-length").context("an answer without a length")?.parse()?;
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the service closed the connection");
            }
        }
        if !["http/1.1 200", "http/1.1 202"].iter().any(|status| text.starts_with(status)) {
            bail!(
                "{}: {}",
                text.lines().next().unwrap_or_default(),
                String::from_utf8_lossy(&self.buffer[head..])
            );
        }
        Ok(text)
    }
}

/// The header of a request by which its sender is known.
pub(crate) fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// A header of an answer's head, which is in lower case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Clients that each send the next request when the last is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) time: Duration,
}

/// Loads a service with the requests that `next` makes of a running number; returns answers a second.
pub(crate) async fn closed_loop(
    port: u16,
    load: Load,
    next: impl Fn(usize) -> String + Clone + Send + 'static,
) -> Result<f64> {
    let begun = Instant::now();
    let answers = answers(port, load, next).await?;
    Ok(answers as f64 / begun.elapsed().as_secs_f64())
}

/// The same; returns how many answers there were.
pub(crate) async fn answers(
    port: u16,
    load: Load,
    next: impl Fn(usize) -> String + Clone + Send + 'static,
) -> Result<usize> {
    let connections = (0..load.clients).map(|_| Client::connect(port));
    let connections = futures_util::future::try_join_all(connections).await?;
    repeat(load.time, connections, move |mut connection, n| {
        let request = next(n);
        async move { connection.call(&request).await.map(|_head| connection) }
    })
    .await
}

/// Has each client act again when its last act is done; returns how many acts there were. `act` gets the client, which it
/// gives back, and a running number.
pub(crate) async fn repeat<C: Send + 'static, F: Future<Output = Result<C>> + Send + 'static>(
    time: Duration,
    clients: Vec<C>,
    act: impl Fn(C, usize) -> F + Clone + Send + 'static,
) -> Result<usize> {
    let (begun, all) = (Instant::now(), clients.len());
    let clients = clients.into_iter().enumerate().map(|(number, mut client)| {
        let act = act.clone();
        tokio::spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < time {
                client = act(client, count * all + number).await?;
                count += 1;
            }
            anyhow::Ok(count)
        })
    });
    let counts = futures_util::future::try_join_all(clients).await?;
    counts.into_iter().sum()
}
