//! Reaching the broker. Each address of its nodes' names has a deadline of its own, up to the open channel: an address may
//! accept a connection and then say nothing.

use std::{
    collections::HashMap,
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsFd,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, tcp::OwnedTLSConfig, uri::AMQPScheme,
    uri::AMQPUri,
};
use tokio::time::timeout;

use super::{
    connection::Cause,
    greeting::{Greeting, Listening, Overheard},
    uri::connection_timeout,
};

/// When an address last failed, in this process. The next connection begins at another one.
static FAILED: LazyLock<Mutex<HashMap<SocketAddr, Instant>>> = LazyLock::new(Mutex::default);

/// How long an address that failed is tried after the others.
const REMEMBERED: Duration = Duration::from_mins(10);

/// A connection and its first channel.
pub(super) struct Dialled {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    /// What the broker said of itself.
    pub(super) greeting: Greeting,
}

/// Connects to the first address of these nodes that lets us, under a name that the broker shows to operators.
pub(super) async fn connect(nodes: &[AMQPUri], name: &str) -> Result<Dialled, Cause> {
    let (mut addresses, mut failures) = (Vec::new(), Vec::new());
    for (node, resolved) in nodes.iter().zip(join_all(nodes.iter().map(resolve)).await) {
        match resolved {
            Ok(found) => addresses.extend(found.into_iter().map(|address| (node, address))),
            Err(cause) if nodes.len() == 1 => return Err(cause),
            Err(cause) => failures.push((node.authority.host.clone(), cause)),
        }
    }
    connect_to_one(addresses, failures, name).await
}

async fn resolve(node: &AMQPUri) -> Result<Vec<SocketAddr>, Cause> {
    let (host, port) = (node.authority.host.as_str(), node.authority.port);
    match timeout(connection_timeout(node), tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(Cause::Unresolved(format!("{host}: {error}"))),
        Err(_) => Err(Cause::Unresolved(format!("{host}: no answer"))),
    }
}

async fn connect_to_one(
    addresses: Vec<(&AMQPUri, SocketAddr)>,
    mut failures: Vec<(String, Cause)>,
    name: &str,
) -> Result<Dialled, Cause> {
    for (node, address) in in_order(addresses) {
        match connect_at(node, address, name).await {
            Ok(dialled) => {
                failed().remove(&address);
                return Ok(dialled);
            }
            Err(cause) => {
                failed().insert(address, Instant::now());
                failures.push((address.to_string(), cause));
            }
        }
    }
    Err(Cause::Addresses(failures.into()))
}

fn failed() -> std::sync::MutexGuard<'static, HashMap<SocketAddr, Instant>> {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As they are written and the resolver orders them; those that failed lately come last, the latest failure at the end.
fn in_order(mut addresses: Vec<(&AMQPUri, SocketAddr)>) -> Vec<(&AMQPUri, SocketAddr)> {
    let mut failed = failed();
    failed.retain(|_, at| at.elapsed() < REMEMBERED);
    addresses.sort_by_key(|(_, address)| failed.get(address).copied());
    addresses.dedup_by_key(|(_, address)| *address);
    addresses
}

async fn connect_at(uri: &AMQPUri, address: SocketAddr, name: &str) -> Result<Dialled, Cause> {
    let limit = connection_timeout(uri);
    let attempt = Attempt::default();
    let socket = Arc::clone(&attempt.0);
    let own = lapin::runtime::default_runtime().map_err(Cause::Amqp)?;
    let greeting = Greeting::default();
    let (runtime, overheard) = (Listening::new(own.clone(), &greeting), greeting.clone());
    // Called once: the client library tries again only where it is told to.
    let open = async move |uri: AMQPUri, _| {
        let open = async {
            let stream = AsyncTcpStream::connect(&own, address).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                let copy = plain.get_ref().as_fd().try_clone_to_owned()?;
                *socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy.into());
            }
            let stream = match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => {
                    stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await?
                }
            };
            Ok::<_, io::Error>(AsyncTcpStream::Plain(Overheard::new(stream, &overheard)))
        };
        let opened = timeout(limit, open).await;
        opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(lapin::Error::from)
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connected = timeout(limit, async {
        let connection = Connection::connector(uri.clone(), runtime.into(), open, properties).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    });
    let connected = connected.await.ok().ok_or(Cause::TimedOut(limit))?;
    let (connection, channel) = connected.map_err(Cause::Amqp)?;
    attempt.succeed();
    Ok(Dialled { connection, channel, greeting })
}

/// A connection that is being opened. The client library reads from a socket without a deadline, in a thread of its
/// own, even when nobody waits for the connection any more; so a dropped attempt shuts the socket down.
#[derive(Default)]
struct Attempt(Arc<Mutex<Option<TcpStream>>>);

impl Attempt {
    fn take(&self) -> Option<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn succeed(self) {
        drop(self.take());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(socket) = self.take()
            && let Err(error) = socket.shutdown(Shutdown::Both)
        {
            tracing::debug!(%error, "the socket to the broker was already closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn broker() -> AMQPUri {
        super::super::uri::parse_all(&std::env::var("AMQP_URL").unwrap()).unwrap().remove(0)
    }

    async fn addresses(uri: &AMQPUri) -> Vec<SocketAddr> {
        let host = (uri.authority.host.as_str(), uri.authority.port);
        tokio::net::lookup_host(host).await.unwrap().collect()
    }

    #[tokio::test]
    async fn every_address_of_the_broker_has_a_deadline_of_its_own() {
        let (silent, dead) = (
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let (first, second) = (silent.local_addr().unwrap(), dead.local_addr().unwrap());
        drop(dead);
        let mut uri = broker();
        uri.query.connection_timeout = Some(1_000);
        let mut all = vec![first, second];
        all.extend(addresses(&uri).await);

        let all: Vec<_> = all.into_iter().map(|address| (&uri, address)).collect();
        let dialled = connect_to_one(all.clone(), Vec::new(), "test").await.unwrap();
        assert!(
            dialled.greeting.cluster().is_some_and(|name| !name.is_empty()),
            "the broker names its cluster"
        );
        dialled.connection.close(200, "OK".into()).await.unwrap();

        // The attempt that was given up leaves no socket and no thread behind.
        let (mut given_up, _) = silent.accept().unwrap();
        given_up.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut header = Vec::new();
        given_up.read_to_end(&mut header).unwrap();
        assert_eq!(header, b"AMQP\0\0\x09\x01");

        let order: Vec<_> = in_order(all).into_iter().map(|(_, address)| address).collect();
        assert_eq!(order[order.len() - 2..], [first, second], "the next connection begins elsewhere");
    }

    #[tokio::test]
    async fn while_a_node_is_away_every_connection_goes_to_the_next_of_the_list() {
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let node = |host: &str, port| {
            let mut node = broker();
            node.query.connection_timeout = Some(1_000);
            (node.authority.host, node.authority.port) = (host.to_owned(), port);
            node
        };
        let away = [node("127.0.0.1", dead.port()), node("no-such-host.invalid", 5672)];
        let dialled = connect(&[&away[..], &[broker()]].concat(), "test").await.unwrap();
        dialled.connection.close(200, "OK".into()).await.unwrap();

        let error = connect(&away, "test").await.err().unwrap().to_string();
        assert!(error.contains("no-such-host.invalid: ") && error.contains(&format!("{dead}: ")), "{error}");
    }

    #[tokio::test]
    async fn an_error_says_what_happened_at_every_address() {
        let (silent, dead) = (
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let (first, second) = (silent.local_addr().unwrap(), dead.local_addr().unwrap());
        drop(dead);
        let mut uri = broker();
        uri.query.connection_timeout = Some(200);
        let both = vec![(&uri, first), (&uri, second)];
        let error = connect_to_one(both, Vec::new(), "test").await.err().unwrap().to_string();
        assert!(error.contains(&format!("{first}: the broker did not answer within 0.2 s")), "{error}");
        assert!(error.contains(&format!("{second}: ")) && error.contains("refused"), "{error}");
    }
}
