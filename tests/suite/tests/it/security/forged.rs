//! Credentials that must not count.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{RequestBuilder, header::AUTHORIZATION};
use serde_json::{Value, json};

/// The secret of development mode, which the suite's processes check tokens with.
const SECRET: &[u8] = b"shop-development-secret-not-for-production";

/// Every scope there is.
const SCOPES: &str = "catalog:write orders:ship ops";

/// Credentials in the headers of a request.
#[derive(Clone)]
pub(super) struct Credentials {
    /// What is wrong with them.
    pub(super) what: &'static str,
    headers: Vec<String>,
}

impl Credentials {
    fn new(what: &'static str, headers: impl IntoIterator<Item = String>) -> Self {
        Self { what, headers: headers.into_iter().collect() }
    }

    fn bearer(what: &'static str, token: &str) -> Self {
        Self::new(what, [format!("Bearer {token}")])
    }

    /// The request with these credentials.
    pub(super) fn on(&self, request: RequestBuilder) -> RequestBuilder {
        self.headers.iter().fold(request, |request, value| request.header(AUTHORIZATION, value))
    }
}

/// Everything that must be answered with 401, made for `sub`, whose own token would be let in.
pub(super) fn credentials(sub: &str) -> Vec<Credentials> {
    let good = test_kit::token(sub, SCOPES);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let payload = head.split_once('.').unwrap().1;
    let with = |name: &str, value: Value| {
        let mut claims = claims(sub);
        claims[name] = value;
        sign(Algorithm::HS256, &claims, SECRET)
    };
    let without = |name: &str| {
        let mut claims = claims(sub);
        claims.as_object_mut().unwrap().remove(name);
        sign(Algorithm::HS256, &claims, SECRET)
    };
    let headed = |header: &Value, signature: &str| format!("{}.{payload}.{signature}", part(header));
    let flipped: String = signature.chars().rev().collect();
    let mut all = vec![
        Credentials::new("no token", []),
        Credentials::new("an empty header", [String::new()]),
        Credentials::new("another scheme", [format!("Basic {}", URL_SAFE_NO_PAD.encode(format!("{sub}:x")))]),
        Credentials::new("a bare token", [good.clone()]),
        Credentials::new("two headers", [format!("Bearer {good}"), format!("Bearer {good}")]),
    ];
    all.extend(
        [
            ("not a token", "nonsense".to_owned()),
            ("huge, and nonsense", "x".repeat(60_000)),
            ("huge, and signed", with("padding", "x".repeat(20_000).into())),
            ("expired", test_kit::expired_token(sub, SCOPES)),
            ("not yet valid", with("nbf", (now() + 3600).into())),
            ("without an end", without("exp")),
            ("an end that is a text", with("exp", "2999-01-01".into())),
            ("wrong issuer", with("iss", "elsewhere".into())),
            ("without an issuer", without("iss")),
            ("wrong audience", with("aud", "elsewhere".into())),
            ("without an audience", without("aud")),
            ("without a subject", without("sub")),
            ("an empty subject", with("sub", "".into())),
            ("a subject with NUL", with("sub", format!("{sub}\0").into())),
            (
                "wrong key",
                sign(Algorithm::HS256, &claims(sub), b"a secret that somebody has made up himself"),
            ),
            ("an empty key", sign(Algorithm::HS256, &claims(sub), b"")),
            ("HS384 with the right key", sign(Algorithm::HS384, &claims(sub), SECRET)),
            ("HS512 with the right key", sign(Algorithm::HS512, &claims(sub), SECRET)),
            ("alg none", headed(&json!({"alg": "none", "typ": "JWT"}), "")),
            ("alg nOnE", headed(&json!({"alg": "nOnE", "typ": "JWT"}), "")),
            ("alg none, and signed", headed(&json!({"alg": "none"}), signature)),
            ("HS256 that says RS256", headed(&json!({"alg": "RS256"}), signature)),
            ("HS256 that says ES256", headed(&json!({"alg": "ES256"}), signature)),
            ("a key id that is a path", headed(&json!({"alg": "HS256", "kid": "../../dev/null"}), "")),
            ("a key that it brings along", headed(&own_key(), signature)),
            ("without a signature", format!("{head}.")),
            ("two parts", head.to_owned()),
            ("another signature", format!("{head}.{flipped}")),
            ("another's claims", {
                let other = test_kit::token("somebody", "");
                let (first, rest) = other.split_once('.').unwrap();
                format!("{first}.{payload}.{}", rest.rsplit_once('.').unwrap().1)
            }),
        ]
        .map(|(what, token)| Credentials::bearer(what, &token)),
    );
    all
}

/// A good token with these scopes.
pub(super) fn good(what: &'static str, sub: &str, scope: &str) -> Credentials {
    Credentials::bearer(what, &test_kit::token(sub, scope))
}

fn claims(sub: &str) -> Value {
    json!({"sub": sub, "scope": SCOPES, "iss": "shop", "aud": "shop", "iat": now(), "exp": now() + 3600})
}

fn sign(algorithm: Algorithm, claims: &Value, key: &[u8]) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).expect("claims that serialise")
}

/// A header with the key that the token is to be checked with, as if one could choose it.
fn own_key() -> Value {
    let key = URL_SAFE_NO_PAD.encode("a secret that somebody has made up himself");
    json!({"alg": "HS256", "jwk": {"kty": "oct", "k": key}, "jku": "http://127.0.0.1:1/keys"})
}

fn part(header: &Value) -> String {
    URL_SAFE_NO_PAD.encode(header.to_string())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}
