//! Any text where a token belongs: nobody gets in who does not know the secret, and who knows it only as
//! the claims say.
#![no_main]

use std::sync::LazyLock;

use jsonwebtoken::{EncodingKey, Header, encode};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};
use service_kit::{
    auth::{Identity, Verifier},
    settings::{AuthSettings, Mode},
};
use tokio::runtime::{Builder, Runtime};

/// Unlike any in the seeds.
const SECRET: &str = "a secret that no input of the fuzzer was signed with";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let settings = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    Verifier::new(&settings, Mode::Production).expect("good settings")
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

fuzz_target!(|text: &str| {
    assert!(verify(text).is_none(), "let in: {text:?}");
    let Ok(claims) = serde_json::from_str::<&RawValue>(text) else { return };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::default(), &claims, &key).expect("JSON can be signed");
    let Some(identity) = verify(&token) else { return };
    // A number that is too large for serde_json may stand in a claim that nobody looks at.
    if let Ok(claims) = serde_json::from_str(text) {
        check(&identity, &claims);
    }
});

fn verify(token: &str) -> Option<Identity> {
    RUNTIME.block_on(VERIFIER.verify(token)).ok()
}

/// What a service relies on in somebody who was let in.
fn check(identity: &Identity, claims: &Value) {
    let says = |claim: &str, wanted: &str| match &claims[claim] {
        Value::Array(several) => several.iter().any(|one| one == wanted),
        one => one == wanted,
    };
    assert!(says("iss", "shop") && says("aud", "shop"), "{claims}");
    assert!(says("sub", &identity.subject) && !identity.subject.is_empty(), "{claims}");
    assert!(!identity.subject.contains('\0'), "PostgreSQL stores no NUL");
    let granted = claims["scope"].as_str().unwrap_or_default();
    assert!(
        identity.scopes.iter().all(|scope| granted.split_ascii_whitespace().any(|one| one == scope)),
        "{claims}"
    );
    // The seeds expire in the year 5138: seconds of leeway do not matter.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let now = now.as_secs_f64();
    assert!(claims["exp"].as_f64().is_some_and(|end| end > now - 10.0), "{claims}");
    let begin = &claims["nbf"];
    assert!(begin.is_null() || begin.as_f64().is_some_and(|begin| begin < now + 10.0), "{claims}");
}
