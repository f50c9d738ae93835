//! Registration: the request, and the command that does it.

use event_bus::{TraceContext, crash_point, outbox};
use service_kit::change::ChangeError;
use service_kit::database;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::events::{RegisterUser, RegistrationRejected, UserRegistered};
use super::{Email, UserId, UserName, erase};

/// Asks for a registration.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the user is to be called.
    pub user_name: &'a UserName,
    /// Their address.
    pub email: &'a Email,
    /// The hash of their password. The password itself is written nowhere.
    pub password_hash: &'a str,
    /// The trace that it belongs to.
    pub trace: &'a TraceContext,
}

impl Request<'_> {
    /// Keeps what is asked for, and sends the command, in one transaction. Whether the address is taken is not looked at.
    pub async fn run(&self, pool: &PgPool) -> Result<UserId, ChangeError> {
        let user_id = UserId(Uuid::now_v7());
        let mut tx = database::begin(pool).await?;
        sqlx::query(
            "insert into registration (user_id, user_name, email, email_key, password_hash) values ($1, $2, $3, $4, $5)",
        )
        .bind(user_id)
        .bind(self.user_name)
        .bind(self.email)
        .bind(self.email.key())
        .bind(self.password_hash)
        .execute(&mut *tx)
        .await?;
        crash_point!("accounts.after_command_row");
        outbox::append_traced(&mut tx, &RegisterUser { user_id, version: 1 }, self.trace).await?;
        crash_point!("accounts.before_commit");
        tx.commit().await?;
        crash_point!("accounts.after_commit");
        Ok(user_id)
    }
}

/// Does what the registration of this id asks for.
#[derive(Debug)]
pub struct Command<'a> {
    /// The new user.
    pub user_id: UserId,
    /// The trace that it belongs to.
    pub trace: &'a TraceContext,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new user.
    Registered,
    /// The address is another user's.
    Rejected,
    /// Nothing is asked for any more.
    NothingToDo,
}

#[derive(sqlx::FromRow)]
struct Asked {
    user_name: UserName,
    email: Email,
    email_key: String,
    password_hash: String,
}

impl Command<'_> {
    /// Makes the user and announces it, or rejects them: in `tx`.
    pub async fn run(&self, tx: &mut Transaction<'_, Postgres>) -> Result<Outcome, ChangeError> {
        let asked: Option<Asked> = sqlx::query_as(
            "delete from registration where user_id = $1 returning user_name, email, email_key, password_hash",
        )
        .bind(self.user_id)
        .fetch_optional(&mut **tx)
        .await?;
        let Some(asked) = asked else { return Ok(Outcome::NothingToDo) };
        self.free(tx, &asked.email_key).await?;
        if !self.insert(tx, &asked, "registered", true).await? {
            self.reject(tx, asked).await?;
            return Ok(Outcome::Rejected);
        }
        let Asked { user_name, email, .. } = asked;
        let registered = UserRegistered { user_id: self.user_id, user_name, email, version: 2 };
        outbox::append_traced(tx, &registered, self.trace).await?;
        crash_point!("accounts.in_command");
        Ok(Outcome::Registered)
    }

    /// Takes the address from a user who has not proved it in an hour: nobody can keep another's address from them for
    /// long, and a mail that was not read in time is no dead end. The link in it counts for a day, unless the address is
    /// taken before.
    async fn free(&self, tx: &mut Transaction<'_, Postgres>, email_key: &str) -> Result<(), ChangeError> {
        let gone: Vec<(UserId, i64)> = sqlx::query_as(
            "delete from app_user where email_key = $1 and status = 'registered'
                                    and created_at < now() - interval '1 hour'
              returning user_id, version",
        )
        .bind(email_key)
        .fetch_all(&mut **tx)
        .await?;
        erase::announce(tx, gone, self.trace).await
    }

    /// Inserts the user; `false` if the address is taken. Waits for another transaction that is taking it.
    async fn insert(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        asked: &Asked,
        status: &str,
        announced: bool,
    ) -> Result<bool, sqlx::Error> {
        let hash = Some(&asked.password_hash).filter(|_| status == "registered");
        let inserted = sqlx::query(
            "insert into app_user (user_id, user_name, email, email_key, password_hash, status, announced)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (email_key) where status <> 'rejected' do nothing",
        )
        .bind(self.user_id)
        .bind(&asked.user_name)
        .bind(&asked.email)
        .bind(&asked.email_key)
        .bind(hash)
        .bind(status)
        .bind(announced)
        .execute(&mut **tx)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The owner of the address is told, once an hour at most: nobody can have others flooded with mail.
    async fn reject(&self, tx: &mut Transaction<'_, Postgres>, asked: Asked) -> Result<(), ChangeError> {
        // Those of long ago are nobody's concern any more, and whoever was told of them forgets the address too.
        let old = erase::take_old(tx).await?;
        erase::announce(tx, old, self.trace).await?;
        let was_told: bool = sqlx::query_scalar(
            "select exists (select from app_user where status = 'rejected' and email_key = $1
                                                   and created_at > now() - interval '1 hour')",
        )
        .bind(&asked.email_key)
        .fetch_one(&mut **tx)
        .await?;
        self.insert(tx, &asked, "rejected", !was_told).await?;
        if !was_told {
            let rejected = RegistrationRejected { user_id: self.user_id, email: asked.email, version: 2 };
            outbox::append_traced(tx, &rejected, self.trace).await?;
        }
        Ok(())
    }
}
