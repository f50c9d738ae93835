//! Passwords of the private servers, made up once per checkout.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Home, write_private};

/// One password for each user of the servers. Not `Debug`, so that none gets into a log by accident.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// PostgreSQL's superuser `postgres`.
    pub postgres: String,
    /// Role `catalog_owner`.
    pub catalog_owner: String,
    /// Role `catalog_app`.
    pub catalog_app: String,
    /// Role `catalog_relay`.
    pub catalog_relay: String,
    /// Role `basket_owner`.
    pub basket_owner: String,
    /// Role `basket_app`.
    pub basket_app: String,
    /// Role `basket_inbox_reader`. Younger than the others: a checkout that has none yet gets one.
    #[serde(default)]
    pub basket_inbox_reader: String,
    /// The broker's administrator `admin`.
    pub broker_admin: String,
    /// The broker's user `relay`.
    pub broker_relay: String,
    /// The broker's user `basket`.
    pub broker_basket: String,
}

impl Secrets {
    /// Reads the checkout's passwords, or makes them up if there are none yet.
    pub fn load_or_create(home: &Home) -> Result<Self> {
        let path = home.dir().join("secrets.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let mut secrets: Self = serde_json::from_slice(&bytes).with_context(|| {
                    format!("{} is damaged: cargo shop reset makes new ones", path.display())
                })?;
                if secrets.basket_inbox_reader.is_empty() {
                    secrets.basket_inbox_reader = random()?;
                    secrets.write(&path)?;
                }
                Ok(secrets)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::create()?;
                secrets.write(&path)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }

    /// Makes up new ones.
    pub fn create() -> Result<Self> {
        Ok(Self {
            postgres: random()?,
            catalog_owner: random()?,
            catalog_app: random()?,
            catalog_relay: random()?,
            basket_owner: random()?,
            basket_app: random()?,
            basket_inbox_reader: random()?,
            broker_admin: random()?,
            broker_relay: random()?,
            broker_basket: random()?,
        })
    }
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
