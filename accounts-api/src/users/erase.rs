//! Erasure: the user's data goes here, and everywhere else by an event.

use event_bus::{TraceContext, outbox};
use service_kit::change::ChangeError;
use service_kit::database;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::UserId;
use super::events::UserDeleted;

/// The most rejected registrations that are forgotten at once.
const FORGOTTEN: i64 = 100;

/// Erases a user.
#[derive(Debug)]
pub struct Command<'a> {
    /// The user.
    pub user_id: UserId,
    /// The trace that it belongs to.
    pub trace: &'a TraceContext,
}

impl Command<'_> {
    /// Deletes what is known of the user and announces it, in one transaction. `false` if nothing is known.
    pub async fn run(&self, pool: &PgPool) -> Result<bool, ChangeError> {
        let mut tx = database::begin(pool).await?;
        // One that is only asked for is nobody else's knowledge yet, and nothing comes of it any more.
        let asked = sqlx::query("delete from registration where user_id = $1").bind(self.user_id);
        let was_asked = asked.execute(&mut *tx).await?.rows_affected() > 0;
        let erased: Option<(i64, String)> =
            sqlx::query_as("delete from app_user where user_id = $1 returning version, email_key")
                .bind(self.user_id)
                .fetch_optional(&mut *tx)
                .await?;
        let was_user = erased.is_some();
        if let Some((version, email_key)) = erased {
            let mut gone = vec![(self.user_id, version)];
            // So that no trace of the address is left.
            gone.extend(take_rejected(&mut tx, &email_key).await?);
            announce(&mut tx, gone, self.trace).await?;
        }
        tx.commit().await?;
        Ok(was_asked || was_user)
    }
}

/// Announces that users, with their versions, are gone: whoever has heard of them forgets them.
pub(super) async fn announce(
    tx: &mut Transaction<'_, Postgres>,
    gone: Vec<(UserId, i64)>,
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    for (user_id, version) in gone {
        outbox::append_traced(tx, &UserDeleted { user_id, version: version + 1 }, trace).await?;
    }
    Ok(())
}

/// Deletes the registrations of an address that were rejected; returns those that were announced.
async fn take_rejected(tx: &mut PgConnection, email_key: &str) -> Result<Vec<(UserId, i64)>, sqlx::Error> {
    sqlx::query_as(
        "with gone as (
             delete from app_user where email_key = $1 and status = 'rejected' returning user_id, version, announced
         )
         select user_id, version from gone where announced",
    )
    .bind(email_key)
    .fetch_all(tx)
    .await
}

/// Deletes some of the registrations that were rejected a month ago; returns those that were announced.
pub(super) async fn take_old(tx: &mut PgConnection) -> Result<Vec<(UserId, i64)>, sqlx::Error> {
    sqlx::query_as(
        "with gone as (
             delete from app_user
              where user_id in (select user_id from app_user
                                 where status = 'rejected' and created_at < now() - interval '30 days'
                                 limit $1 for update skip locked)
             returning user_id, version, announced
         )
         select user_id, version from gone where announced",
    )
    .bind(FORGOTTEN)
    .fetch_all(tx)
    .await
}

/// Takes name and address out of the user's events in the outbox. They are published by now: the event of the erasure
/// came after them.
pub async fn forget(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("select accounts_forget($1)").bind(user_id).execute(tx).await?;
    Ok(())
}
