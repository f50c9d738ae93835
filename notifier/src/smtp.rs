//! The mail server, and what its answers mean.
//!
//! A connection belongs to the call that uses it, and is kept only after the server has taken a mail: one that was given
//! up in between, with answers still to come, is closed.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url, form_urlencoded};

/// How long making a connection to one address of the server may take, up to its greeting: an address may accept and then
/// say nothing.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an address that failed is tried after the others.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How long a connection is kept that nothing is sent over.
const IDLE: Duration = Duration::from_secs(30);
/// The most connections that are kept.
const KEPT: usize = 8;

/// The longest that is kept of what a server says, in characters.
const LONGEST: usize = 400;

/// What came of sending a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server has it.
    Sent,
    /// The server does not take it, and never will.
    Refused(String),
    /// The server does not take it for now.
    NotNow(String),
    /// Whether the server has it is not known, or it was not reached: nothing that the mail can help.
    Unknown(String),
}

/// Sends mails to one server.
#[derive(Clone)]
pub struct Mailer(Arc<Server>);

struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    /// When an address last failed; the next connection begins at another one.
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

/// Whether the connection is encrypted.
enum Security {
    None,
    FromTheStart(TlsParameters),
    StartTls(TlsParameters),
}

impl Mailer {
    /// For the server at this address: see [`SmtpSettings::url`](crate::settings::SmtpSettings::url).
    pub fn new(url: &Url) -> anyhow::Result<Self> {
        let host = match url.host().context("setting smtp.url names no host")? {
            // A URL has it in brackets; nothing else does.
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let tls = || TlsParameters::new(host.clone()).context("cannot use TLS for mail");
        let is_required = url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
        let (security, usual) = match url.scheme() {
            "smtps" => (Security::FromTheStart(tls()?), 465),
            _ if is_required => (Security::StartTls(tls()?), 587),
            _ => (Security::None, 25),
        };
        let credentials = (!url.username().is_empty())
            .then(|| Credentials::new(decoded(url.username()), decoded(url.password().unwrap_or_default())));
        let port = url.port().unwrap_or(usual);
        let (idle, failed) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Server { host, port, security, credentials, idle, failed })))
    }

    /// Sends a mail. May be cancelled at any point.
    pub async fn send(&self, mail: &Message) -> Answer {
        let mut connection = match self.0.connection().await {
            Ok(connection) => connection,
            // Also a wrong password: nothing that the mail can help.
            Err(error) => {
                return Answer::Unknown(format!("the mail server cannot be used: {error}"));
            }
        };
        match connection.send(mail.envelope(), &mail.formatted()).await {
            Ok(_) => {
                self.0.keep(connection);
                Answer::Sent
            }
            // 421: the server goes away, whatever it was asked.
            Err(error) if error.status().is_some_and(|code| u16::from(code) == 421) => {
                Answer::Unknown(format!("the mail server closes: {}", said(&error)))
            }
            Err(error) if error.is_permanent() => Answer::Refused(said(&error)),
            Err(error) if error.is_transient() => Answer::NotNow(said(&error)),
            // Such as an address that this server cannot read.
            Err(error) if error.is_client() => Answer::Refused(said(&error)),
            Err(error) => Answer::Unknown(format!("no answer of the mail server: {}", said(&error))),
        }
    }
}

impl Server {
    /// A connection that works: one that was kept, or a new one. An error says why there is none.
    async fn connection(&self) -> Result<AsyncSmtpConnection, String> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((mut connection, since)) = kept else { break };
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        let host = &self.host;
        let resolving = timeout(CONNECT, lookup_host((host.as_str(), self.port)));
        let resolved = resolving.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let addresses = resolved.map_err(|error| format!("cannot find the address of {host}: {error}"))?;
        self.connect_to_one(addresses.collect(), CONNECT).await
    }

    /// Connects to the first address that lets us; those that failed lately come last.
    async fn connect_to_one(
        &self,
        mut addresses: Vec<SocketAddr>,
        limit: Duration,
    ) -> Result<AsyncSmtpConnection, String> {
        {
            let mut failed = self.failed();
            failed.retain(|_, at| at.elapsed() < REMEMBERED);
            addresses.sort_by_key(|address| failed.get(address).copied());
        }
        let mut failures = Vec::new();
        for address in addresses {
            // Until it has succeeded: a caller may give up waiting meanwhile.
            self.failed().insert(address, Instant::now());
            match timeout(limit, self.connect(address)).await {
                Ok(Ok(connection)) => {
                    self.failed().remove(&address);
                    return Ok(connection);
                }
                Ok(Err(error)) => failures.push(format!("{address}: {}", said(&error))),
                Err(_) => failures.push(format!("{address}: no answer within {limit:?}")),
            }
        }
        Err(failures.join("; "))
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, Error> {
        let name = ClientId::default();
        let from_the_start = match &self.security {
            Security::FromTheStart(tls) => Some(tls.clone()),
            _ => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT), &name, from_the_start, None).await?;
        if let Security::StartTls(tls) = &self.security {
            connection.starttls(tls.clone(), &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push((connection, Instant::now()));
        }
    }
}

/// What the server has said, in words.
fn said(error: &Error) -> String {
    let error = anyhow::Chain::new(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    without_addresses(&error)
}

/// One line of text, not too long, in which no word can be an address: servers repeat them, in whatever case.
pub(crate) fn without_addresses(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> =
        words.map(|word| if word.contains('@') { "(the address)" } else { word }).collect();
    words.join(" ").chars().take(LONGEST).collect()
}

/// A user's name or password as it was before it was put into an address.
fn decoded(text: &str) -> String {
    // A plus is a plus here, and no space.
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).map(|(key, _)| key.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that greets every client; returns where.
    async fn greeting() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut client = BufReader::new(client);
                client.write_all(b"220 here\r\n").await.unwrap();
                let mut hello = String::new();
                client.read_line(&mut hello).await.unwrap();
                client.write_all(b"250 here\r\n").await.unwrap();
                // Open until the client goes.
                client.read_line(&mut hello).await.ok();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_mail_server_is_reached_by_an_address_of_any_family() {
        for (url, address) in [("smtp://[::1]:2525", "[::1]:2525"), ("smtp://127.0.0.1", "127.0.0.1:25")] {
            let mailer = Mailer::new(&Url::parse(url).unwrap()).unwrap();
            let found: Vec<SocketAddr> =
                lookup_host((mailer.0.host.as_str(), mailer.0.port)).await.unwrap().collect();
            assert_eq!(found, [address.parse().unwrap()], "{url}");
        }
    }

    #[test]
    fn what_a_server_says_shows_no_address() {
        let said = without_addresses("550 <ANN@Buyers.example>: no\r\nsuch user; ask admin@mail.example");
        assert_eq!(said, "550 (the address) no such user; ask (the address)");
        // Also where the text is cut in the middle of one.
        let long = format!("{} ann@buyers.example", "x".repeat(LONGEST - 5));
        assert!(!without_addresses(&long).contains("ann"), "{long}");
    }

    #[tokio::test]
    async fn every_address_of_the_mail_server_has_a_deadline_of_its_own() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (first, second) = (silent.local_addr().unwrap(), away.local_addr().unwrap());
        drop(away);
        let mailer = Mailer::new(&Url::parse("smtp://mail.example").unwrap()).unwrap();
        let limit = Duration::from_millis(300);
        let all = vec![first, second, greeting().await];
        mailer.0.connect_to_one(all.clone(), limit).await.unwrap();
        // The next one begins elsewhere, and is there before an address that says nothing could be given up.
        let begun = Instant::now();
        mailer.0.connect_to_one(all.clone(), Duration::from_secs(20)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));

        let error = mailer.0.connect_to_one(vec![first, second], limit).await.err().unwrap();
        assert!(error.contains(&format!("{first}: no answer within 300ms")), "{error}");
        assert!(error.contains(&format!("{second}: ")) && error.contains("refused"), "{error}");
    }
}
