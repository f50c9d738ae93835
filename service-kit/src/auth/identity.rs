//! Who asks, and what they may do.

use std::collections::BTreeSet;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use chrono::{DateTime, Utc};

use super::Verifier;
use crate::problem::Problem;

/// The holder of a valid token. As a handler's parameter it makes the token obligatory.
///
/// Put it before the parameters that read the body, so that a stranger learns nothing from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`: for a buyer, the buyer's id.
    pub subject: String,
    /// What the token allows.
    pub scopes: BTreeSet<String>,
    /// Until when the token counts (`exp`): what outlives a request, such as a stream, ends then.
    pub expires_at: DateTime<Utc>,
}

impl FromRequest for Identity {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let verifier = request.app_data::<web::Data<Verifier>>().cloned();
        let token = bearer_token(request);
        Box::pin(async move {
            let verifier = verifier.ok_or_else(|| Problem::internal(&"no verifier of tokens is set up"))?;
            verifier.verify(&token?).await
        })
    }
}

fn bearer_token(request: &HttpRequest) -> Result<String, Problem> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(Problem::unauthorized(None, "send the header authorization: Bearer <token>"));
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim_start())
        .filter(|token| !token.is_empty() && values.next().is_none());
    token.map(ToOwned::to_owned).ok_or_else(|| {
        Problem::unauthorized(
            Some("invalid_request"),
            "send one header authorization, of the form Bearer <token>",
        )
    })
}

/// The name of a scope, as a type.
pub trait Scope: 'static {
    /// How the scope is written in a token.
    const NAME: &'static str;
}

/// The scope of those who look after the shop: `ops`.
#[derive(Debug, Clone)]
pub struct Ops;

impl Scope for Ops {
    const NAME: &'static str = "ops";
}

/// An identity whose token has the scope `S`; 401 without a valid token, 403 without the scope.
#[derive(Debug, Clone)]
pub struct Authorized<S> {
    /// Who it is.
    pub identity: Identity,
    scope: PhantomData<S>,
}

impl<S: Scope> FromRequest for Authorized<S> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let identity = Identity::from_request(request, payload);
        Box::pin(async move {
            let identity = identity.await?;
            if !identity.scopes.contains(S::NAME) {
                return Err(Problem::forbidden(S::NAME));
            }
            Ok(Self { identity, scope: PhantomData })
        })
    }
}
