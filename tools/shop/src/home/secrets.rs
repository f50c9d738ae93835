//! Passwords of the private servers, made up once per checkout.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Home, read_if_there, write_private};
use crate::registry::Registry;

/// One password for each user of the servers: PostgreSQL's by their roles, RabbitMQ's after `broker_`.
///
/// Not `Debug`, so that no log shows one by accident.
#[derive(Clone)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Reads the checkout's passwords, and makes up those that are missing.
    pub fn load_or_create(home: &Home, registry: &Registry) -> Result<Self> {
        let known = read_if_there(&path(home), "cargo shop reset makes new ones")?;
        let mut secrets = Self(known.unwrap_or_default());
        if secrets.complete(registry)? {
            secrets.save(home)?;
        }
        Ok(secrets)
    }

    /// Keeps them for the commands that come later.
    pub fn save(&self, home: &Home) -> Result<()> {
        write_private(&path(home), &serde_json::to_vec_pretty(&self.0)?)
    }

    /// Makes up new ones.
    pub fn create(registry: &Registry) -> Result<Self> {
        let mut secrets = Self(BTreeMap::new());
        secrets.complete(registry)?;
        Ok(secrets)
    }

    /// The password of a user: `postgres`, `catalog_owner`, `broker_admin`.
    pub fn of(&self, user: &str) -> Result<&str> {
        self.0.get(user).map(String::as_str).with_context(|| format!("there is no password for {user}"))
    }

    /// Makes up passwords for users that have none; returns whether there were any.
    fn complete(&mut self, registry: &Registry) -> Result<bool> {
        let before = self.0.len();
        for user in registry.users() {
            let fresh = random()?;
            self.0.entry(user).or_insert(fresh);
        }
        Ok(self.0.len() > before)
    }
}

fn path(home: &Home) -> PathBuf {
    home.dir().join("secrets.json")
}

/// 128 random bits in hexadecimal, which need no escaping in a URL, in SQL or in a shell.
pub fn random() -> Result<String> {
    let bytes = random_bytes::<16>()?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Bytes from the kernel's generator.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
