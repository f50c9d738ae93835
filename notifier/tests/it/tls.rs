//! Encrypted ways to a mail server: who gets mails and the password, and who does not.

use std::sync::{Arc, Mutex};

use sqlx::PgPool;
use test_kit::eventually;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use uuid::Uuid;

use crate::app::{ANN, SOON, problem, registered, state_of, until};
use crate::events::Shop;

/// A certificate for `localhost`, signed by itself.
struct Certificate {
    config: Arc<ServerConfig>,
    /// What whoever trusts it reads.
    file: String,
}

impl Certificate {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let file = std::env::temp_dir().join(format!("{name}-{}.pem", Uuid::now_v7()));
        std::fs::write(&file, made.cert.pem()).unwrap();
        Self { config: Arc::new(config), file: file.to_str().unwrap().to_owned() }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    StartTls,
    FromTheStart,
}

/// What stands before the mailbox: speaks TLS for it, and keeps what it was told.
#[derive(Clone)]
struct Front {
    port: u16,
    certificate: Arc<Mutex<Arc<ServerConfig>>>,
    told: Arc<Mutex<Vec<u8>>>,
}

impl Front {
    async fn open(mailbox: &str, way: Way, certificate: &Certificate) -> Self {
        let mailbox = mailbox.strip_prefix("smtp://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self {
            port: listener.local_addr().unwrap().port(),
            certificate: Arc::new(Mutex::new(Arc::clone(&certificate.config))),
            told: Arc::default(),
        };
        let serving = front.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (front, mailbox) = (serving.clone(), mailbox.clone());
                tokio::spawn(async move { front.serve(client, &mailbox, way).await });
            }
        });
        front
    }

    async fn serve(&self, mut client: TcpStream, mailbox: &str, way: Way) -> std::io::Result<()> {
        let server = TcpStream::connect(mailbox).await?;
        if way == Way::Plain {
            return self.pass(client, server).await;
        }
        let mut server = BufReader::new(server);
        if way == Way::StartTls {
            client.write_all(b"220 front ESMTP\r\n").await?;
            let mut lines = BufReader::new(&mut client);
            loop {
                let mut line = String::new();
                lines.read_line(&mut line).await?;
                self.told.lock().unwrap().extend(line.as_bytes());
                match line.split_whitespace().next() {
                    Some("EHLO") => lines.write_all(b"250-front\r\n250 STARTTLS\r\n").await?,
                    Some("STARTTLS") => break lines.write_all(b"220 go on\r\n").await?,
                    _ => return lines.write_all(b"502 first STARTTLS\r\n").await,
                }
            }
            // The greeting was the front's.
            server.read_line(&mut String::new()).await?;
        }
        let config = Arc::clone(&self.certificate.lock().unwrap());
        let client = TlsAcceptor::from(config).accept(client).await?;
        self.pass(client, server).await
    }

    async fn pass(
        &self,
        client: impl AsyncRead + AsyncWrite + Send,
        server: impl AsyncRead + AsyncWrite + Send,
    ) -> std::io::Result<()> {
        let (mut from_client, mut to_client) = split(client);
        let (mut from_server, mut to_server) = split(server);
        let up = async {
            let mut buffer = [0; 4096];
            loop {
                let count = from_client.read(&mut buffer).await?;
                if count == 0 {
                    return to_server.shutdown().await;
                }
                self.told.lock().unwrap().extend(&buffer[..count]);
                to_server.write_all(&buffer[..count]).await?;
            }
        };
        let down = async { tokio::io::copy(&mut from_server, &mut to_client).await.map(drop) };
        tokio::select! { ended = up => ended, ended = down => ended }
    }

    fn told(&self) -> String {
        String::from_utf8_lossy(&self.told.lock().unwrap()).into_owned()
    }
}

/// `ann`, `s3cret+` as AUTH PLAIN has them.
const PASSWORD: &str = "AGFubgBzM2NyZXQr";

async fn announce(shop: &Shop) -> Uuid {
    let user = Uuid::now_v7();
    shop.announce(user, &registered(user, "Ann", ANN)).await
}

/// Waits until a mail was tried twice in vain; why.
async fn tried_in_vain(pool: &PgPool, mail: Uuid) -> String {
    eventually("it was tried twice", SOON, async || {
        let tries = sqlx::query_scalar("select tries from mail where mail_id = $1 and problem is not null");
        let tries: Option<i32> = tries.bind(mail).fetch_optional(pool).await.unwrap();
        (tries >= Some(2)).then_some(())
    })
    .await;
    assert_eq!(state_of(pool, mail).await, "waiting");
    problem(pool, mail).await
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn mails_and_the_password_go_over_tls_from_the_start_or_by_starttls(pool: PgPool) {
    let shop = Shop::set_up(&pool).await;
    let certificate = Certificate::new("right");
    for (way, scheme, query) in [(Way::FromTheStart, "smtps", ""), (Way::StartTls, "smtp", "?tls=required")] {
        let front = Front::open(&shop.mailbox.smtp, way, &certificate).await;
        let url = format!("{scheme}://ann:s3cret+@localhost:{}{query}", front.port);
        let variables = [("APP__SMTP__URL", url.as_str()), ("SSL_CERT_FILE", &certificate.file)];
        let process = shop.start_with(&variables).await;
        let mail = announce(&shop).await;
        until(&pool, mail, "sent").await;
        assert_eq!(shop.mailbox.mails().await[0]["messageId"], format!("{mail}@shop.example"));
        assert!(front.told().contains(PASSWORD), "{}", front.told());
        let log = process.log();
        assert!(!log.contains("s3cret") && !log.contains(PASSWORD), "{log}");
    }
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_server_without_starttls_or_with_a_wrong_certificate_gets_nothing_and_is_asked_again(pool: PgPool) {
    let shop = Shop::set_up(&pool).await;
    let (right, wrong) = (Certificate::new("right"), Certificate::new("wrong"));
    let plain = Front::open(&shop.mailbox.smtp, Way::Plain, &right).await;
    let url = format!("smtp://ann:s3cret+@localhost:{}?tls=required", plain.port);
    let process = shop.start_with(&[("APP__SMTP__URL", &url), ("SSL_CERT_FILE", &right.file)]).await;
    let first = announce(&shop).await;
    let why = tried_in_vain(&pool, first).await;
    assert!(why.contains("cannot be used"), "{why}");
    let told = plain.told();
    assert!(told.contains("EHLO") && !told.contains("AUTH") && !told.contains("MAIL"), "{told}");
    drop(process);

    for way in [Way::FromTheStart, Way::StartTls] {
        let front = Front::open(&shop.mailbox.smtp, way, &wrong).await;
        let (scheme, query) = if way == Way::StartTls { ("smtp", "?tls=required") } else { ("smtps", "") };
        let url = format!("{scheme}://ann:s3cret+@localhost:{}{query}", front.port);
        let _process = shop.start_with(&[("APP__SMTP__URL", &url), ("SSL_CERT_FILE", &right.file)]).await;
        let mail = announce(&shop).await;
        let why = tried_in_vain(&pool, mail).await;
        assert!(why.to_lowercase().contains("certificate"), "{why}");
        assert!(!front.told().contains("AUTH") && !front.told().contains("MAIL"), "{}", front.told());
        let before = if way == Way::StartTls { 2 } else { 0 };
        assert_eq!(shop.mailbox.mails().await.len(), before);
        // Once it shows the right one, it gets what waited.
        *front.certificate.lock().unwrap() = Arc::clone(&right.config);
        until(&pool, mail, "sent").await;
        until(&pool, first, "sent").await;
    }
    assert_eq!(shop.mailbox.mails().await.len(), 3);
}
