//! A sign-in: an address and a password for a token.

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use secrecy::SecretString;
use service_kit::auth::Signer;
use service_kit::problem::Problem;
use service_kit::retry::retried;
use service_kit::settings::AuthSettings;
use sqlx::PgPool;
use std::time::Duration;

use crate::keys::store::present_key;
use crate::limits::{Client, Limits};
use crate::passwords::{Hasher, Password};
use crate::users::{Email, UserId};

/// What signs users in.
pub struct Sessions {
    pub(crate) pool: PgPool,
    pub(crate) hasher: Hasher,
    pub(crate) auth: AuthSettings,
    pub(crate) lifetime: Duration,
    /// Whether those may sign in whose address is not validated.
    pub(crate) before_validation: bool,
}

/// Somebody who wants to sign in.
pub(super) struct SignIn {
    pub(super) client: Client,
    /// As it was typed.
    pub(super) email: String,
    pub(super) password: Password,
}

impl Sessions {
    /// A token for the user whose address and password these are. Otherwise the same 401, after the same work: whether
    /// the address is registered cannot be told from it.
    pub(super) async fn sign_in(&self, limits: &Limits, asked: SignIn) -> Result<SecretString, Problem> {
        let SignIn { client, email, password } = asked;
        let email = Email::try_from(email).map(|email| email.key()).unwrap_or_default();
        let tried = limits.sign_in(client, &email).inspect_err(|_| count("slowed_down"))?;
        let signed_in = self.check(&email, password).await;
        // What failed for another reason than the password was no try.
        if !matches!(signed_in, Ok(None)) {
            limits.give_back(&tried);
        }
        let Some((user, scopes)) = signed_in? else {
            count("refused");
            return Err(wrong());
        };
        let key = present_key(&self.pool).await?;
        let token = Signer::with_key(&self.auth, &key).sign(&user.to_string(), &scopes, self.lifetime)?;
        count("succeeded");
        Ok(token)
    }

    async fn check(&self, email_key: &str, password: Password) -> Result<Option<(UserId, String)>, Problem> {
        let found: Option<(UserId, String, String)> = retried(|| async {
            sqlx::query_as(
                "select user_id, scopes, password_hash from app_user
                  where email_key = $1 and status <> 'rejected' and (status = 'validated' or $2)",
            )
            .bind(email_key)
            .bind(self.before_validation)
            .fetch_optional(&self.pool)
            .await
        })
        .await?;
        let (user, hash) = found.map(|(user, scopes, hash)| ((user, scopes), hash)).unzip();
        let is_right = self.hasher.verify(password, hash).await?;
        Ok(user.filter(|_| is_right))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("sign_ins_total", "outcome" => outcome).increment(1);
}

fn wrong() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "the address or the password is wrong")
        .detail("no user has this address and this password, or the address is not validated yet")
        .header(WWW_AUTHENTICATE, "Bearer realm=\"shop\"")
}
