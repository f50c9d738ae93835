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
use crate::passwords::{Hasher, Password, Verdict};
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
        let verdict = self.hasher.verify(password, hash.clone()).await?;
        if let (Some((user, _)), Some(old), Verdict::Right { new: Some(new) }) = (&user, &hash, &verdict) {
            self.renew(*user, old, new).await?;
        }
        Ok(user.filter(|_| matches!(verdict, Verdict::Right { .. })))
    }

    /// Replaces a hash of other parameters than the present ones: as long as there is such a one, a try takes another time
    /// than for an address that nobody has.
    async fn renew(&self, user: UserId, old: &str, new: &str) -> Result<(), sqlx::Error> {
        let update = retried(|| async {
            sqlx::query("update app_user set password_hash = $3 where user_id = $1 and password_hash = $2")
                .bind(user)
                .bind(old)
                .bind(new)
                .execute(&self.pool)
                .await
        });
        update.await.map(drop)
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
