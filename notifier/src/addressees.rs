//! Who has which address.

use sqlx::{PgConnection, PgPool};

/// Holds further changes about a user back until this transaction ends: who learns of an address and who needs it then
/// see each other.
pub async fn lock(tx: &mut PgConnection, user_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))").bind(user_id).execute(tx).await?;
    Ok(())
}

/// Remembers a user's address, and addresses the mails that have waited for it.
pub async fn remember(tx: &mut PgConnection, user_id: &str, email: &str) -> Result<(), sqlx::Error> {
    lock(tx, user_id).await?;
    sqlx::query(
        "insert into addressee (user_id, email) values ($1, $2)
         on conflict (user_id) do update set email = excluded.email",
    )
    .bind(user_id)
    .bind(email)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "update mail set email = $2, state = 'waiting', due = now(), changed_at = now()
          where user_id = $1 and state = 'unaddressed'",
    )
    .bind(user_id)
    .bind(email)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a user: their address, and what mails to them say. What was not sent never will be.
pub async fn forget(tx: &mut PgConnection, user_id: &str) -> Result<(), sqlx::Error> {
    lock(tx, user_id).await?;
    sqlx::query("delete from addressee where user_id = $1").bind(user_id).execute(&mut *tx).await?;
    sqlx::query(
        "update mail set state = case state when 'sent' then 'sent' else 'erased' end, email = null, content = null,
                due = null, problem = null, discard_reason = null, changed_at = now()
          where user_id = $1 and state <> 'erased'",
    )
    .bind(user_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// How many addresses are known.
pub async fn count(pool: PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from addressee").fetch_one(&pool).await
}
