//! The proof that an address is the user's: whoever has the link from the mail has read it.

use event_bus::{TraceContext, outbox};
use service_kit::change::ChangeError;
use service_kit::database;
use sqlx::PgPool;

use super::events::UserValidated;
use super::{Email, UserId, UserName};

/// Validates the address of a user whose link was checked.
#[derive(Debug)]
pub struct Command<'a> {
    /// The user.
    pub user_id: UserId,
    /// The trace that it belongs to.
    pub trace: &'a TraceContext,
}

impl Command<'_> {
    /// Validates and announces it, in one transaction. `false` if there is nothing to validate: a link counts once.
    pub async fn run(&self, pool: &PgPool) -> Result<bool, ChangeError> {
        let mut tx = database::begin(pool).await?;
        let validated: Option<(UserName, Email, i64)> = sqlx::query_as(
            "update app_user set status = 'validated', validated_at = clock_timestamp(), version = version + 1
              where user_id = $1 and status = 'registered'
              returning user_name, email, version",
        )
        .bind(self.user_id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((user_name, email, version)) = validated else { return Ok(false) };
        let event = UserValidated { user_id: self.user_id, user_name, email, version };
        outbox::append_traced(&mut tx, &event, self.trace).await?;
        tx.commit().await?;
        Ok(true)
    }
}
