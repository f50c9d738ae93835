//! The route for signing in.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use service_kit::problem::{Json, Problem};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Sessions;
use super::sign_in::SignIn;
use crate::limits::{Client, Limits};
use crate::passwords::Password;

/// Adds the route.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create_session);
}

/// Who wants to sign in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The user's address.
    #[schema(example = "alice@example.org")]
    email: String,
    /// The user's password.
    password: Password,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Session {
    /// To be sent as `Authorization: Bearer …`; its `sub` is the user's id.
    access_token: String,
    /// How long it counts, in seconds.
    expires_in: u64,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
}

/// Signs a user in.
///
/// An unknown address and a wrong password have the same answer. Who fails often waits.
#[utoipa::path(
    tag = "sessions",
    request_body = Credentials,
    responses(
        (status = 200, description = "a token", body = Session),
        (status = 400, description = "a body that cannot be read"),
        (status = 401, description = "no such user, or another password"),
        (status = 413, description = "too large"),
        (status = 429, description = "too many failed tries; Retry-After says when"),
    )
)]
#[post("/api/v1/sessions")]
async fn create_session(
    client: Client,
    body: Json<Credentials>,
    sessions: web::Data<Sessions>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let Credentials { email, password } = body.value;
    let token = sessions.sign_in(&limits, SignIn { client, email, password }).await?;
    let session = Session {
        access_token: token.expose_secret().to_owned(),
        expires_in: sessions.lifetime.as_secs(),
        token_type: "Bearer",
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(session))
}
