//! Tokens signed with an issuer's own keys.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use service_kit::server::Readiness;
use service_kit::settings::AuthSettings;
use test_kit::eventually;
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
    signed(key, &Header { kid: Some(id.to_owned()), ..Header::new(algorithm) })
}

/// A token that does not say which key it is signed with.
fn unnamed(key: &EncodingKey, algorithm: Algorithm) -> String {
    signed(key, &Header::new(algorithm))
}

fn signed(key: &EncodingKey, header: &Header) -> String {
    let claims: Value =
        json!({"sub": "alice", "iss": "shop", "aud": "shop", "exp": get_current_timestamp() + 60});
    encode(header, &claims, key).expect("a token")
}

/// What an issuer publishes of a key.
fn published(key: &EncodingKey, id: &str, algorithm: Algorithm) -> Jwk {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).expect("a public key");
    jwk.common.key_id = Some(id.to_owned());
    jwk
}

/// An issuer that publishes keys and counts how often it is asked.
struct Issuer {
    url: String,
    document: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn of(keys: Vec<Jwk>) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), keys)
    }

    fn at(listener: TcpListener, keys: Vec<Jwk>) -> Self {
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let issuer = Self { url, document: Arc::default(), asked: Arc::default() };
        issuer.publish(keys);
        let (document, asked) = (issuer.document.clone(), issuer.asked.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                assert!(socket.read(&mut request).await.expect("a request") > 0);
                asked.fetch_add(1, Ordering::SeqCst);
                let document = document.lock().expect("not poisoned").clone();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
                    document.len()
                );
                socket.write_all(answer.as_bytes()).await.expect("sent");
            }
        });
        issuer
    }

    fn publish(&self, keys: Vec<Jwk>) {
        *self.document.lock().expect("not poisoned") = serde_json::to_string(&JwkSet { keys }).expect("JSON");
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn settings(&self) -> AuthSettings {
        AuthSettings { jwks_url: Some(self.url.clone()), ..AuthSettings::default() }
    }
}

async fn me(service: &Service, token: &str) -> reqwest::Response {
    service.client.get(service.url("/me")).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn keys_are_fetched_once_and_forged_ids_make_no_flood() {
    let issuer = Issuer::of(vec![published(&key(1), "first", Algorithm::EdDSA)]).await;
    let service = Service::with(&issuer.settings(), Readiness::new());
    let good = token(&key(1), "first", Algorithm::EdDSA);
    for _ in 0..5 {
        assert_eq!(me(&service, &good).await.status(), 200);
    }
    assert_eq!(issuer.asked(), 1);
    for refused in [
        token(&key(2), "first", Algorithm::EdDSA),
        // The published key taken for a shared secret.
        token(&EncodingKey::from_secret(&[1; 32]), "first", Algorithm::HS256),
    ] {
        problem(me(&service, &refused).await, 401, "unauthorized").await;
    }
    assert_eq!(issuer.asked(), 1, "a key that is known is not asked for");
    for forged in 0..20 {
        let forged = token(&key(2), &format!("forged {forged}"), Algorithm::EdDSA);
        problem(me(&service, &forged).await, 401, "unauthorized").await;
    }
    assert!((2..=7).contains(&issuer.asked()), "{} questions", issuer.asked());
    assert_eq!(me(&service, &good).await.status(), 200);
}

#[tokio::test]
async fn a_request_behind_one_that_was_given_up_waits_for_the_first_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let settings = AuthSettings { jwks_url: Some(url), ..AuthSettings::default() };
    let service = Service::with(&settings, Readiness::new());
    let good = token(&key(1), "first", Algorithm::EdDSA);
    // It asks for the keys, and nobody answers yet.
    let given_up = tokio::time::timeout(Duration::from_millis(200), me(&service, &good)).await;
    assert!(given_up.is_err());
    let mut behind = pin!(me(&service, &good));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut behind).await;
    assert!(early.is_err(), "{early:?}");
    let _issuer = Issuer::at(listener, vec![published(&key(1), "first", Algorithm::EdDSA)]);
    assert_eq!(behind.await.status(), 200);
}

#[tokio::test]
async fn a_key_that_the_issuer_has_just_published_counts_at_once() {
    let issuer = Issuer::of(Vec::new()).await;
    let service = Service::with(&issuer.settings(), Readiness::new());
    let mut keys = Vec::new();
    for (seed, id) in [(1, "first"), (2, "second"), (3, "third")] {
        let good = token(&key(seed), id, Algorithm::EdDSA);
        problem(me(&service, &good).await, 401, "unauthorized").await;
        keys.push(published(&key(seed), id, Algorithm::EdDSA));
        issuer.publish(keys.clone());
        assert_eq!(me(&service, &good).await.status(), 200, "{id}");
    }
}

#[tokio::test]
async fn keys_of_a_known_kind_count_whatever_else_is_published() {
    let issuer = Issuer::of(Vec::new()).await;
    let own = |seed: u8, usage: &str| {
        let mut jwk = json!(published(&key(seed), "a", Algorithm::EdDSA));
        jwk["use"] = json!(usage);
        jwk
    };
    let p256 = p256();
    let document = json!({"keys": [
        {"kty": "XYZ", "kid": "of a later time"}, 7, null, {}, {"kty": "OKP", "crv": "Ed25519", "x": "short", "kid": "a"},
        own(3, "enc"), own(1, "sig"), own(2, "sig"), json!(published(&p256, "a", Algorithm::ES256)),
    ], "more": true});
    *issuer.document.lock().expect("not poisoned") = document.to_string();
    let service = Service::with(&issuer.settings(), Readiness::new());
    // One id for keys of two kinds, and of one kind the first that is for signatures.
    for (key, algorithm, status) in [
        (&key(1), Algorithm::EdDSA, 200),
        (&p256, Algorithm::ES256, 200),
        (&key(2), Algorithm::EdDSA, 401),
        (&key(3), Algorithm::EdDSA, 401),
    ] {
        assert_eq!(me(&service, &token(key, "a", algorithm)).await.status(), status, "{algorithm:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_answers_nonsense_later_takes_no_key_away_and_holds_nobody_up() {
    let issuer = Issuer::of(vec![published(&key(1), "first", Algorithm::EdDSA)]).await;
    let service = Service::with(&issuer.settings(), Readiness::new());
    let good = token(&key(1), "first", Algorithm::EdDSA);
    assert_eq!(me(&service, &good).await.status(), 200);
    let huge = format!("{{\"keys\": [{}0]}}", "0,".repeat(200_000));
    for document in ["", "{}", "[]", "<html>", "{\"keys\": 7}", &huge] {
        document.clone_into(&mut issuer.document.lock().expect("not poisoned"));
        let forged = token(&key(2), document.get(..3).unwrap_or("x"), Algorithm::EdDSA);
        problem(me(&service, &forged).await, 401, "unauthorized").await;
        assert_eq!(me(&service, &good).await.status(), 200);
    }
}

#[tokio::test]
async fn without_the_issuer_the_answer_is_503_and_soon_after_it_is_there_200() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let settings =
        AuthSettings { jwks_url: Some(format!("http://{address}/keys")), ..AuthSettings::default() };
    let service = Service::with(&settings, Readiness::new());
    let good = token(&key(1), "first", Algorithm::EdDSA);
    for _ in 0..20 {
        let answer = me(&service, &good).await;
        let again_in: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().expect("seconds");
        assert!((1..=2).contains(&again_in), "{again_in}");
        problem(answer, 503, "unavailable").await;
    }
    let listener = TcpListener::bind(address).await.expect("the port is free again");
    let issuer = Issuer::at(listener, vec![published(&key(1), "first", Algorithm::EdDSA)]);
    eventually("the token counts", Duration::from_secs(3), async || {
        (me(&service, &good).await.status() == 200).then_some(())
    })
    .await;
    assert_eq!(issuer.asked(), 1);
}

/// A new RSA key, and in what forms its public half can be had.
fn rsa() -> (EncodingKey, Vec<Vec<u8>>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der = pair.as_der().expect("a private key");
    let public: PublicKeyX509Der = pair.public_key().as_der().expect("a public key");
    let lines: Vec<String> = STANDARD
        .encode(public.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let pem = |end: &str| {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----{end}", lines.join("\n"))
            .into_bytes()
    };
    let forms = vec![pem("\n"), pem(""), public.as_ref().to_vec(), pair.public_key().as_ref().to_vec()];
    // PKCS#8 is PKCS#1 with 26 bytes before it, which say that it is RSA.
    (EncodingKey::from_rsa_der(&private.as_ref()[26..]), forms)
}

fn p256() -> EncodingKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("a private key").as_ref())
}

#[tokio::test]
async fn rsa_and_ec_keys_count_for_their_own_algorithm_and_never_as_a_shared_secret() {
    let (rs, forms) = rsa();
    let es = p256();
    let keys = vec![published(&rs, "rs", Algorithm::RS256), published(&es, "es", Algorithm::ES256)];
    let secrets: Vec<Vec<u8>> = keys
        .iter()
        .flat_map(|jwk| {
            let json = serde_json::to_value(jwk).expect("JSON");
            let parts = ["n", "x"].iter().filter_map(|name| json[name].as_str().map(str::to_owned));
            let decoded = parts.clone().map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"));
            let whole = [json.to_string().into_bytes(), Vec::new()];
            parts.map(String::into_bytes).chain(decoded).chain(whole).collect::<Vec<_>>()
        })
        .chain(forms)
        .collect();
    let issuer = Issuer::of(keys).await;
    let service = Service::with(&issuer.settings(), Readiness::new());
    assert_eq!(me(&service, &token(&rs, "rs", Algorithm::RS256)).await.status(), 200);
    assert_eq!(me(&service, &token(&es, "es", Algorithm::ES256)).await.status(), 200);
    // Without an id it is the only key of its algorithm (RFC 7515: `kid` is optional).
    assert_eq!(me(&service, &unnamed(&es, Algorithm::ES256)).await.status(), 200);

    let mut forged = vec![
        token(&rs, "es", Algorithm::RS256),
        token(&es, "rs", Algorithm::ES256),
        token(&rs, "rs", Algorithm::RS384),
        token(&rs, "rs", Algorithm::PS256),
        token(&rsa().0, "rs", Algorithm::RS256),
        token(&p256(), "es", Algorithm::ES256),
        token(&key(1), "rs", Algorithm::EdDSA),
        unnamed(&key(1), Algorithm::EdDSA),
        unnamed(&p256(), Algorithm::ES256),
    ];
    for (secret, algorithm) in secrets.iter().flat_map(|secret| {
        [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].map(|algorithm| (secret, algorithm))
    }) {
        forged
            .extend(["rs", "es", "other"].map(|id| token(&EncodingKey::from_secret(secret), id, algorithm)));
    }
    let good = token(&rs, "rs", Algorithm::RS256);
    let payload = good.split('.').nth(1).expect("a payload");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"rs"}"#);
    forged.extend([format!("{none}.{payload}."), format!("{none}.{payload}.{}", &good[good.len() - 342..])]);
    println!("{} forged tokens", forged.len());
    for forged in forged {
        problem(me(&service, &forged).await, 401, "unauthorized").await;
    }
    assert!(issuer.asked() <= 7, "{} questions", issuer.asked());
}
