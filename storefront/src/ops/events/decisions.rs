//! What an operator decides about an event that is stuck.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::ops::enter;
use crate::pages::{Visit, see_other};
use crate::session::{Nothing, Posted};

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

#[post("/ops/events/{id}/requeue")]
pub(super) async fn requeue(
    visit: Visit,
    id: web::Path<String>,
    _: Posted<Nothing>,
) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    room.api.requeue(user, &id).await?;
    Ok(see_other(&address(&id, "requeued")))
}

#[post("/ops/events/{id}/skip")]
pub(super) async fn skip(
    visit: Visit,
    id: web::Path<String>,
    Posted(form): Posted<Reason>,
) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    room.api.skip(user, &id, &form.reason).await?;
    Ok(see_other(&address(&id, "skipped")))
}

/// The event's page, with word of what was done. An id that a relay has accepted is a UUID.
fn address(id: &str, did: &str) -> String {
    format!("/ops/events/{id}?did={did}")
}
