//! The broker's users, with the passwords of this checkout.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::generate::{broker_definitions, password_hash};
use crate::home::{Secrets, random_bytes};
use crate::registry::Registry;

/// How much of the definitions is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them.
    All,
    /// What a node may have before the others are there: a queue would get no replica on those.
    WithoutQueues,
}

impl Part {
    /// What each of so many nodes loads when it starts.
    pub(super) fn of(nodes: u8) -> Self {
        if nodes == 1 { Self::All } else { Self::WithoutQueues }
    }
}

/// The definitions of the registry's users and rights, with the hashes of these passwords.
pub(super) fn with_passwords(registry: &Registry, secrets: &Secrets, part: Part) -> Result<Vec<u8>> {
    let mut definitions: Value = serde_json::from_str(&broker_definitions(registry))
        .context("the broker's definitions are not JSON")?;
    if part == Part::WithoutQueues {
        let all = definitions.as_object_mut().context("the broker's definitions are no object")?;
        all.retain(|list, _| !["queues", "bindings"].contains(&list.as_str()));
    }
    let users = definitions.get_mut("users").and_then(Value::as_array_mut);
    for user in users.context("the broker's definitions name no users")? {
        let name = user["name"].as_str().context("the broker's definitions have a user without a name")?;
        user["password_hash"] = password_hash(secrets.of(&format!("broker_{name}"))?, random_bytes()?).into();
    }
    Ok(serde_json::to_vec_pretty(&definitions)?)
}
