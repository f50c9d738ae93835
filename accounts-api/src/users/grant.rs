//! What a user's tokens allow.

use anyhow::{Context, bail, ensure};
use sqlx::PgPool;

use super::Email;

/// Sets the scopes of a validated user. Tokens that were signed before keep theirs until they expire.
#[derive(Debug)]
pub struct Command {
    /// Whose address it is.
    pub email: Email,
    /// Scopes, with a space between.
    pub scopes: String,
}

impl Command {
    /// Sets them; `false` if there is no such user.
    pub async fn run(&self, pool: &PgPool) -> Result<bool, sqlx::Error> {
        let set =
            sqlx::query("update app_user set scopes = $2 where email_key = $1 and status = 'validated'");
        let set = set.bind(self.email.key()).bind(&self.scopes).execute(pool).await?;
        Ok(set.rows_affected() == 1)
    }
}

/// The command `grant EMAIL SCOPES`.
pub(crate) async fn from_command_line(pool: PgPool, arguments: Vec<String>) -> anyhow::Result<String> {
    let Ok([email, scopes]) = <[String; 2]>::try_from(arguments) else {
        bail!("an address and scopes are needed")
    };
    // RFC 6749, section 3.3.
    let is_allowed = |c: char| c == ' ' || (c.is_ascii_graphic() && c != '"' && c != '\\');
    ensure!(scopes.len() <= 200 && scopes.chars().all(is_allowed), "these are no scopes");
    let email = Email::try_from(email)?;
    let scopes = scopes.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let granted = Command { email, scopes }.run(&pool).await.context("cannot set the scopes")?;
    ensure!(granted, "no user has validated this address");
    Ok("the user's next token allows that".to_owned())
}
