//! A wire to PostgreSQL that writes down what passes.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What passed a [`Wire`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// A statement was sent to be executed, `begin` and `commit` included.
    Statement(String),
    /// The server said that it was ready for more: the end of a round trip.
    Ready,
}

/// A proxy in front of a PostgreSQL, for one test. Connections must not be encrypted.
#[derive(Debug)]
pub struct Wire {
    /// Where it listens.
    pub address: SocketAddr,
    log: Log,
}

/// With the number of the connection.
type Log = Arc<Mutex<Vec<(usize, Passed)>>>;

fn written(log: &Log) -> MutexGuard<'_, Vec<(usize, Passed)>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// A wire to the server at `host` and `port`.
    ///
    /// # Panics
    ///
    /// Without a free port.
    pub async fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Log::default());
        let (host, copy) = (host.to_owned(), Arc::clone(&log));
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                tokio::spawn(carry(client, server, connection, Arc::clone(&copy)));
            }
        });
        Self { address, log }
    }

    /// Takes what has passed since the last time, for each connection where something did.
    pub fn take(&self) -> Vec<Vec<Passed>> {
        let mut passed = BTreeMap::<usize, Vec<Passed>>::new();
        for (connection, what) in written(&self.log).drain(..) {
            passed.entry(connection).or_default().push(what);
        }
        passed.into_values().collect()
    }

    /// Whether a statement with this text in it has passed since the last [`Wire::take`].
    pub fn has_seen(&self, text: &str) -> bool {
        let log = written(&self.log);
        log.iter()
            .any(|(_, passed)| matches!(passed, Passed::Statement(statement) if statement.contains(text)))
    }
}

async fn carry(client: TcpStream, server: TcpStream, connection: usize, log: Log) {
    let note = |passed| written(&log).push((connection, passed));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut prepared: HashMap<String, String> = HashMap::new();
    let mut bound = String::new();
    let requests = pass_on(from_client, to_server, true, |letter, body| {
        // Names and texts end with a NUL.
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match letter {
            b'P' => drop(prepared.insert(first, second)),
            b'B' => bound = prepared.get(&second).cloned().unwrap_or_default(),
            b'E' => note(Passed::Statement(bound.clone())),
            b'Q' => {
                let statements = first.split(';').map(str::trim).filter(|statement| !statement.is_empty());
                statements.for_each(|text| note(Passed::Statement(text.to_owned())));
            }
            _ => {}
        }
    });
    let answers = pass_on(from_server, to_client, false, |letter, _| {
        if letter == b'Z' {
            note(Passed::Ready);
        }
    });
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// Passes messages on one by one: a letter (which a client's first has not), the length of the rest with
/// itself, the rest.
async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_first: bool,
    mut seen: impl FnMut(u8, &[u8]),
) {
    loop {
        let mut message = Vec::new();
        if !std::mem::take(&mut is_first) {
            let Ok(letter) = from.read_u8().await else { return };
            message.push(letter);
        }
        let letter = message.first().copied().unwrap_or_default();
        let Ok(length) = from.read_u32().await else { return };
        message.extend(length.to_be_bytes());
        let start = message.len();
        message.resize(start + length as usize - 4, 0);
        if from.read_exact(&mut message[start..]).await.is_err() {
            return;
        }
        seen(letter, &message[start..]);
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}
