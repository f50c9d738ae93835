//! A user by id or address.

use service_kit::retry::retried;
use sqlx::PgPool;

use super::{Email, User, UserId};

/// Finds a user by id.
#[derive(Debug, Clone, Copy)]
pub struct ById(pub UserId);

/// Finds a user by address; one that has it before those that were rejected.
#[derive(Debug, Clone)]
pub struct ByEmail(pub Email);

impl ById {
    /// The user, if there is such a one.
    pub async fn run(&self, pool: &PgPool) -> Result<Option<User>, sqlx::Error> {
        retried(|| async {
            sqlx::query_as(
                "select user_id, user_name, email, status, created_at from app_user where user_id = $1",
            )
            .bind(self.0)
            .fetch_optional(pool)
            .await
        })
        .await
    }
}

impl ByEmail {
    /// The user, if there is such a one.
    pub async fn run(&self, pool: &PgPool) -> Result<Option<User>, sqlx::Error> {
        retried(|| async {
            sqlx::query_as(
                "(select user_id, user_name, email, status, created_at from app_user
                   where email_key = $1 and status <> 'rejected')
                 union all
                 (select user_id, user_name, email, status, created_at from app_user
                   where email_key = $1 and status = 'rejected' order by created_at desc limit 1)
                 limit 1",
            )
            .bind(self.0.key())
            .fetch_optional(pool)
            .await
        })
        .await
    }
}
