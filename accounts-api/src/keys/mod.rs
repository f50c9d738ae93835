//! The keys that sign tokens, and what is published of them.

pub mod handlers;
pub mod store;

use std::sync::{Arc, Mutex, PoisonError};

use service_kit::auth::{PublicKey, SigningKey};
use service_kit::settings::Mode;
use sqlx::PgPool;

/// The published keys.
pub struct Published {
    pool: PgPool,
    /// The one that `cargo shop token` signs with, in development mode.
    development: Option<PublicKey>,
    /// What was read last: it is published while the database is away.
    last: Mutex<Option<Arc<Vec<PublicKey>>>>,
}

impl Published {
    /// Nothing is read yet.
    pub fn new(pool: PgPool, mode: Mode) -> anyhow::Result<Self> {
        let development = match mode {
            Mode::Development => Some(SigningKey::development()?.public()),
            Mode::Production => None,
        };
        Ok(Self { pool, development, last: Mutex::default() })
    }

    /// The keys that count now.
    pub async fn keys(&self) -> Result<Arc<Vec<PublicKey>>, sqlx::Error> {
        match store::published_keys(&self.pool).await {
            Ok(mut keys) => {
                keys.extend(self.development.clone());
                let keys = Arc::new(keys);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(%error, "the keys cannot be read");
                self.last.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(error)
            }
        }
    }
}
