use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use shop::suite::DEVELOPMENT_LINKS;
use shop::token::{
    DEVELOPMENT_KEY_ID, DEVELOPMENT_SECRET, Lifetime, Scope, buyer, issue, issue_with_secret, operator,
};

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_token_says_who_what_and_until_when() {
    let scopes: [Scope; 2] = ["catalog:write".parse().unwrap(), "ops".parse().unwrap()];
    let token = issue("olga", &scopes, "90m".parse().unwrap()).unwrap();

    assert_eq!(part(&token, 0), json!({"alg": "EdDSA", "typ": "at+jwt", "kid": DEVELOPMENT_KEY_ID}));
    let claims = part(&token, 1);
    assert_eq!(claims["sub"], "olga");
    assert_eq!(claims["scope"], "catalog:write ops");
    assert_eq!(claims["iss"], "shop");
    assert_eq!(claims["aud"], "shop");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 90 * 60);
}

#[test]
fn a_token_for_a_service_on_its_own_is_signed_with_the_development_secret() {
    let token = issue_with_secret(std::time::SystemTime::now(), "alice", &[], Lifetime::DAY).unwrap();
    assert_eq!(part(&token, 0), json!({"alg": "HS256", "typ": "JWT"}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(DEVELOPMENT_SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[test]
fn the_development_secrets_are_those_that_services_know() {
    let kit = include_str!("../../../../service-kit/src/auth/mod.rs");
    assert!(kit.contains(&format!("DEVELOPMENT_SECRET: &str = \"{DEVELOPMENT_SECRET}\"")));
    let key = include_str!("../../../../service-kit/src/auth/key.rs");
    assert!(key.contains(&format!("DEVELOPMENT_KEY_ID: &str = \"{DEVELOPMENT_KEY_ID}\"")));
    let links = include_str!("../../../../service-kit/src/link_token.rs");
    assert!(links.contains(&format!("DEVELOPMENT_SECRET: &str = \"{DEVELOPMENT_LINKS}\"")));
    let compose = include_str!("../../../../docker-compose.yml");
    assert!(compose.contains(DEVELOPMENT_LINKS));
}

#[test]
fn the_tokens_of_the_env_file_are_for_alice_and_for_an_operator() {
    let buyer = part(&buyer().unwrap(), 1);
    assert_eq!((buyer["sub"].as_str(), buyer["scope"].as_str()), (Some("alice"), Some("")));
    assert_eq!(part(&operator().unwrap(), 1)["scope"], "catalog:write orders:ship ops");
    assert_eq!(buyer["exp"].as_u64().unwrap() - buyer["iat"].as_u64().unwrap(), 24 * 60 * 60);
}

#[test]
fn a_time_that_makes_no_sense_is_refused() {
    for text in ["", "h", "-1h", "5 minutes", "1w", "1.5h", "99999999999999999999s", "40000d"] {
        assert!(text.parse::<Lifetime>().is_err(), "{text:?} was taken");
    }
    for text in ["0s", "90", "30s", "15m", "2h", "7d"] {
        assert!(text.parse::<Lifetime>().is_ok(), "{text:?} was refused");
    }
}

#[test]
fn a_scope_or_a_name_that_no_service_could_read_is_refused() {
    assert!("catalog:write\u{0}".parse::<Scope>().is_err());
    assert!("a\"b".parse::<Scope>().is_err());
    assert!(issue(" ", &[], Lifetime::DAY).is_err());
}
