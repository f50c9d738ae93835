//! Tokens signed with an issuer's own keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use service_kit::server::Readiness;
use service_kit::settings::AuthSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::service::{Service, problem};

/// An Ed25519 key made of one byte, in the PKCS#8 form.
fn key(seed: u8) -> EncodingKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    EncodingKey::from_ed_der(&der)
}

fn token(key: &EncodingKey, id: &str, algorithm: Algorithm) -> String {
    let claims: Value =
        json!({"sub": "alice", "iss": "shop", "aud": "shop", "exp": get_current_timestamp() + 60});
    let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    encode(&header, &claims, key).expect("a token")
}

/// An issuer that publishes one key and counts how often it is asked.
async fn issuer() -> (String, Arc<AtomicUsize>) {
    let mut jwk = Jwk::from_encoding_key(&key(1), Algorithm::EdDSA).expect("a public key");
    jwk.common.key_id = Some("first".to_owned());
    let document = serde_json::to_string(&JwkSet { keys: vec![jwk] }).expect("JSON");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            assert!(socket.read(&mut request).await.expect("a request") > 0);
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
                document.len()
            );
            socket.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    (url, asked)
}

async fn me(service: &Service, token: &str) -> reqwest::Response {
    service.client.get(service.url("/me")).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn keys_are_fetched_once_and_forged_ids_make_no_flood() {
    let (url, asked) = issuer().await;
    let settings = AuthSettings { jwks_url: Some(url), ..AuthSettings::default() };
    let service = Service::with(&settings, Readiness::new());
    let good = token(&key(1), "first", Algorithm::EdDSA);
    for _ in 0..5 {
        assert_eq!(me(&service, &good).await.status(), 200);
    }
    for refused in [
        token(&key(2), "first", Algorithm::EdDSA),
        token(&key(2), "second", Algorithm::EdDSA),
        token(&key(2), "third", Algorithm::EdDSA),
        // The published key taken for a shared secret.
        token(&EncodingKey::from_secret(&[1; 32]), "first", Algorithm::HS256),
    ] {
        problem(me(&service, &refused).await, 401, "unauthorized").await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "an unknown key within a minute is not asked for");
}

#[tokio::test]
async fn without_the_issuer_the_answer_is_503_not_401() {
    let settings =
        AuthSettings { jwks_url: Some("http://127.0.0.1:1/keys".to_owned()), ..AuthSettings::default() };
    let service = Service::with(&settings, Readiness::new());
    let answer = me(&service, &token(&key(1), "first", Algorithm::EdDSA)).await;
    assert_eq!(answer.headers()["retry-after"], "5");
    problem(answer, 503, "unavailable").await;
}
