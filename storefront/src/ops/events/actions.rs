//! What an operator does about an event that cannot be published.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::ops::operator::Operator;
use crate::pages::see_other;
use crate::session::{Nothing, Posted};

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

#[post("/ops/events/{id}/requeue")]
pub(super) async fn requeue(
    _: Posted<Nothing>,
    operator: Operator,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    operator.room.api.act_on_event(&operator.user, &id, "requeue", None).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=requeued")))
}

#[post("/ops/events/{id}/skip")]
pub(super) async fn skip(
    Posted(form): Posted<Reason>,
    operator: Operator,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    operator.room.api.act_on_event(&operator.user, &id, "skip", Some(&form.reason)).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=skipped")))
}
