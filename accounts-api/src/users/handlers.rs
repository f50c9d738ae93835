//! The routes of users.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Identity, Ops, Scope};
use service_kit::link_token::LinkFault;
use service_kit::problem::{Json, Problem, Query};
use service_kit::retry::retried;
use service_kit::trace::RequestTrace;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::{BASE, Email, Status, User, UserId, UserName, Users, erase, find, register, validate};
use crate::limits::{Client, Limits};
use crate::passwords::NewPassword;

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(register_user)
        .service(find_user)
        .service(get_user)
        .service(show_link)
        .service(validate_user)
        .service(delete_user);
}

/// Who wants to be a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registration {
    /// What they are called; shown as text, whatever it is.
    user_name: UserName,
    /// Their e-mail address.
    email: Email,
    /// 10 to 1,024 characters, and none of the common ones.
    password: NewPassword,
}

/// A registration that is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    /// The id of the user to be.
    user_id: UserId,
}

/// Asks for a registration.
///
/// The answer is the same whether the address is taken or not: that is told to the address by mail, and shows in the
/// user's status.
#[utoipa::path(
    tag = "users",
    request_body = Registration,
    responses(
        (status = 202, description = "it will be done, or rejected", body = Accepted,
            headers(("Location" = String, description = "where the user will be"))),
        (status = 400, description = "a name, an address or a password that cannot be"),
        (status = 413, description = "too large"),
        (status = 429, description = "too many registrations of this client or for this inbox; Retry-After says when"),
    )
)]
#[post("/api/v1/users")]
async fn register_user(
    client: Client,
    trace: RequestTrace,
    body: Json<Registration>,
    users: web::Data<Users>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let Registration { user_name, email, password } = body.value;
    password.check_against(user_name.as_str(), email.as_str())?;
    let tried = limits.registration(client, &email.inbox())?;
    let asked: Result<UserId, Problem> = async {
        let password_hash = users.hasher.hash(password.into()).await?;
        let request = register::Request {
            user_name: &user_name,
            email: &email,
            password_hash: &password_hash,
            trace: &trace.context,
        };
        Ok(retried(|| request.run(&users.pool)).await?)
    }
    .await;
    // Who is put off may come again: it was no registration.
    let user_id = asked.inspect_err(|_| limits.give_back(&tried))?;
    (users.notify)();
    Ok(HttpResponse::Accepted()
        .insert_header((LOCATION, format!("{BASE}/{user_id}")))
        .json(Accepted { user_id }))
}

fn no_such_user() -> Problem {
    Problem::not_found("there is no such user, or it is not you")
}

/// The caller as a user, if their token can be a user's.
fn own_id(identity: &Identity) -> Option<UserId> {
    identity.subject.parse::<Uuid>().ok().map(UserId)
}

fn is_operator(identity: &Identity) -> bool {
    identity.scopes.contains(Ops::NAME)
}

fn shown(user: &User) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(user)
}

/// Shows a user: oneself, or anybody with the scope `ops`.
#[utoipa::path(
    tag = "users",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "which user")),
    responses(
        (status = 200, description = "the user", body = User),
        (status = 400, description = "no id"),
        (status = 404, description = "no such user, not yet, or another one"),
    )
)]
#[get("/api/v1/users/{id}")]
async fn get_user(
    identity: Identity,
    id: web::Path<UserId>,
    users: web::Data<Users>,
) -> Result<HttpResponse, Problem> {
    if !is_operator(&identity) && own_id(&identity) != Some(*id) {
        return Err(no_such_user());
    }
    let user = find::ById(*id).run(&users.pool).await?.ok_or_else(no_such_user)?;
    Ok(shown(&user))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    email: Email,
}

/// Shows the user who has an address: oneself, or anybody with the scope `ops`.
#[utoipa::path(
    tag = "users",
    security(("bearer" = [])),
    params(("email" = String, Query, description = "whose address it is", example = "alice@example.org")),
    responses(
        (status = 200, description = "the user", body = User),
        (status = 400, description = "no address"),
        (status = 404, description = "no such user, or another one"),
    )
)]
#[get("/api/v1/users")]
async fn find_user(
    identity: Identity,
    Query(which): Query<Which>,
    users: web::Data<Users>,
) -> Result<HttpResponse, Problem> {
    let found = match own_id(&identity) {
        _ if is_operator(&identity) => find::ByEmail(which.email).run(&users.pool).await?,
        // By the caller's id alone: another user's address is not even looked for.
        Some(id) => {
            let own = find::ById(id).run(&users.pool).await?;
            own.filter(|user| user.email.key() == which.email.key())
        }
        None => None,
    };
    found.as_ref().map(shown).ok_or_else(no_such_user)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    token: String,
}

/// What a link is for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Validation {
    /// The user.
    user_id: UserId,
    /// Where they stand.
    status: Status,
    /// What to do with the link: `POST` it.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
}

/// Says what a link is for, and changes nothing: programs that look through mails open links too.
#[utoipa::path(
    tag = "users",
    params(
        ("id" = String, Path, description = "which user"),
        ("token" = String, Query, description = "from the mail"),
    ),
    responses(
        (status = 200, description = "the link counts: send it with POST", body = Validation),
        (status = 400, description = "no link of ours"),
        (status = 410, description = "the link was used, its day is over, or a later registration has replaced it"),
    )
)]
#[get("/api/v1/users/{id}/validate")]
async fn show_link(
    id: web::Path<UserId>,
    Query(link): Query<Link>,
    users: web::Data<Users>,
) -> Result<HttpResponse, Problem> {
    check(&users, *id, &link)?;
    let user = find::ById(*id).run(&users.pool).await?;
    let is_open = user.is_some_and(|user| user.status == Status::Registered);
    if !is_open {
        return Err(used());
    }
    let validation = Validation { user_id: *id, status: Status::Registered, method: Some("POST") };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(validation))
}

/// Validates the address: whoever has the link has read the mail. Once, within a day.
#[utoipa::path(
    tag = "users",
    params(
        ("id" = String, Path, description = "which user"),
        ("token" = String, Query, description = "from the mail"),
    ),
    responses(
        (status = 200, description = "the address is the user's", body = Validation),
        (status = 400, description = "no link of ours"),
        (status = 410, description = "the link was used, its day is over, or a later registration has replaced it"),
    )
)]
#[post("/api/v1/users/{id}/validate")]
async fn validate_user(
    id: web::Path<UserId>,
    trace: RequestTrace,
    Query(link): Query<Link>,
    users: web::Data<Users>,
) -> Result<HttpResponse, Problem> {
    check(&users, *id, &link)?;
    let command = validate::Command { user_id: *id, trace: &trace.context };
    if !retried(|| command.run(&users.pool)).await? {
        return Err(used());
    }
    (users.notify)();
    Ok(HttpResponse::Ok().json(Validation { user_id: *id, status: Status::Validated, method: None }))
}

fn check(users: &Users, id: UserId, link: &Link) -> Result<(), Problem> {
    match users.links.verify(id.0, &link.token, Utc::now()) {
        Ok(_) => Ok(()),
        Err(LinkFault::Expired) => Err(over("link-expired", "the link's day is over: register again")),
        Err(LinkFault::Forged) => {
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "link-invalid",
                "this is no link of ours for this user",
            );
            Err(problem.parameter("token", "copy the whole link from the mail"))
        }
    }
}

fn used() -> Problem {
    over(
        "link-used",
        "the link was used already: sign in. If you have registered again since, the newest mail's counts",
    )
}

fn over(kind: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::GONE, kind, "the link counts no more").detail(detail)
}

/// Erases a user: oneself, or anybody with the scope `ops`. Here at once, elsewhere within moments, by an event.
#[utoipa::path(
    tag = "users",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "which user")),
    responses(
        (status = 202, description = "the user is gone here, and will be everywhere", body = Accepted),
        (status = 400, description = "no id"),
        (status = 404, description = "no such user, or another one"),
    )
)]
#[delete("/api/v1/users/{id}")]
async fn delete_user(
    identity: Identity,
    id: web::Path<UserId>,
    trace: RequestTrace,
    users: web::Data<Users>,
) -> Result<HttpResponse, Problem> {
    if !is_operator(&identity) && own_id(&identity) != Some(*id) {
        return Err(no_such_user());
    }
    let command = erase::Command { user_id: *id, trace: &trace.context };
    if !retried(|| command.run(&users.pool)).await? {
        return Err(no_such_user());
    }
    (users.notify)();
    Ok(HttpResponse::Accepted().json(Accepted { user_id: *id }))
}
