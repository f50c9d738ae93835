//! Many connections at once, and what they cost the service.

use std::{net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream};
use reqwest::{Client, Url};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use test_kit::{Process, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Connections that are opened at the same time.
const AT_ONCE: usize = 64;

/// What is generous on a busy machine, and would not be met by a service that is held up.
pub(super) const SOON: Duration = Duration::from_secs(8);

/// Lets this process open as many files as it may; panics where so many connections would still be too many.
pub(super) fn make_room(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let files = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    // A service needs two files for each.
    let needed = connections * 2 + 1_000;
    assert!(files >= needed, "{files} open files are too few for this test: ulimit -Hn {needed}");
}

pub(super) fn address(service: &Process) -> SocketAddr {
    let url = Url::parse(&service.url).unwrap();
    *url.socket_addrs(|| None).unwrap().first().unwrap()
}

/// Connects as a client whose kernel takes in as little as it may.
pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(address).await.expect("a connection")
}

/// Opens connections and sends on each what `text` says for its number.
pub(super) async fn open(
    address: SocketAddr,
    count: usize,
    text: impl Fn(usize) -> String,
) -> Vec<TcpStream> {
    stream::iter(0..count)
        .map(|number| {
            let text = text(number);
            async move {
                let mut socket = connect(address).await;
                socket.write_all(text.as_bytes()).await.expect("sent");
                socket
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Waits until the server has ended each connection.
pub(super) async fn all_ended(what: &str, sockets: Vec<TcpStream>, limit: Duration) {
    let ends = sockets.into_iter().map(async |mut socket| {
        let mut rest = Vec::new();
        // Cut off while something is on its way, it is a reset.
        drop(socket.read_to_end(&mut rest).await);
    });
    let all = stream::iter(ends).buffer_unordered(usize::MAX).collect::<Vec<()>>();
    tokio::time::timeout(limit, all).await.unwrap_or_else(|_| panic!("{what} are still connected"));
}

/// What a service has taken up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    memory: u64,
    files: u64,
}

impl Taken {
    pub(super) fn by(service: &Process) -> Self {
        Self { memory: service.memory_kib(), files: service.open_files() }
    }

    /// Checks that the service has not taken more memory than so much beyond this.
    pub(super) fn bounds(self, service: &Process, mebibytes: u64) {
        let memory = service.memory_kib();
        println!("memory: {} KiB, then {memory} KiB", self.memory);
        assert!(memory <= self.memory + mebibytes * 1024, "{memory} KiB, {} KiB before", self.memory);
    }

    /// Waits until the service has no more files open than before.
    pub(super) async fn is_back(self, service: &Process, limit: Duration) {
        // Connections to its own servers come and go.
        let few = self.files + 24;
        eventually("the files are closed again", limit, async || (service.open_files() <= few).then_some(()))
            .await;
    }
}

/// Asks for something again and again, until `meanwhile` is done. Each time there must be an answer soon, at
/// the second or third try where the service is so busy that it asks for that.
pub(super) async fn served_while<T>(url: String, meanwhile: impl Future<Output = T>) -> T {
    let asking = async {
        let mut answers = 0;
        loop {
            let served = tokio::time::timeout(SOON, served(&url));
            served.await.unwrap_or_else(|_| panic!("no answer within {SOON:?} after {answers} answers"));
            answers += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        biased;
        done = meanwhile => done,
        () = asking => unreachable!("it asks for ever"),
    }
}

async fn served(url: &str) {
    loop {
        // A new connection each time: it must get its turn among the others.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let answer = client.get(url).send().await.expect("an answer");
        if answer.status() == 200 {
            return;
        }
        assert_eq!(answer.status(), 503);
        let pause = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}
