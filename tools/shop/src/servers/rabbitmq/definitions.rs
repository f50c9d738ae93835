//! The broker's users, with the passwords of this checkout.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::home::{Secrets, random_bytes};

/// Puts the hashes of these passwords into the text of a definitions file.
///
/// Fails if the file has a user that there is no password for.
pub(super) fn with_passwords(definitions: &str, secrets: &Secrets) -> Result<Vec<u8>> {
    let mut definitions: Value =
        serde_json::from_str(definitions).context("the broker's definitions are not JSON")?;
    let users = definitions.get_mut("users").and_then(Value::as_array_mut);
    for user in users.context("the broker's definitions name no users")? {
        let password = match user["name"].as_str() {
            Some("admin") => &secrets.broker_admin,
            Some("relay") => &secrets.broker_relay,
            Some("basket") => &secrets.broker_basket,
            other => anyhow::bail!("the broker's definitions have a user without a password: {other:?}"),
        };
        user["password_hash"] = hash(password, random_bytes()?).into();
    }
    Ok(serde_json::to_vec_pretty(&definitions)?)
}

/// RabbitMQ's `rabbit_password_hashing_sha256`: salt, then SHA-256 of salt and password, in base64.
fn hash(password: &str, salt: [u8; 4]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    STANDARD.encode([salt.as_slice(), digest.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_rabbitmq_documents_it() {
        // The worked example of https://www.rabbitmq.com/docs/passwords: salt 908dc60a, password test12.
        assert_eq!(
            hash("test12", [0x90, 0x8D, 0xC6, 0x0A]),
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
        );
    }

    #[test]
    fn the_passwords_of_docker_compose_are_those_of_the_file() {
        let file: Value =
            serde_json::from_str(include_str!("../../../../../deploy/rabbitmq/definitions.json")).unwrap();
        for user in file["users"].as_array().unwrap() {
            let (name, expected) = (user["name"].as_str().unwrap(), user["password_hash"].as_str().unwrap());
            let salt = STANDARD.decode(expected).unwrap()[..4].try_into().unwrap();
            assert_eq!(hash(&format!("{name}-development"), salt), expected, "{name}");
        }
        let compose = include_str!("../../../../../docker-compose.yml");
        for user in ["relay", "basket"] {
            assert!(
                compose.contains(&format!("amqp://{user}:{user}-development@rabbitmq:5672/shop")),
                "{user}"
            );
        }
    }

    #[test]
    fn no_user_of_the_file_in_the_tree_is_without_a_password() {
        let file = include_str!("../../../../../deploy/rabbitmq/definitions.json");
        let text = with_passwords(file, &Secrets::create().unwrap()).unwrap();
        let definitions: Value = serde_json::from_slice(&text).unwrap();
        let users = definitions["users"].as_array().unwrap();
        assert_eq!(users.len(), 3);
        assert!(users.iter().all(|user| user["password_hash"].as_str().is_some_and(|hash| hash.len() == 48)));
    }
}
