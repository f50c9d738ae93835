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
    operator: Operator,
    id: web::Path<String>,
    _: Posted<Nothing>,
) -> Result<HttpResponse, Problem> {
    operator.room.api.act_on_event(&operator.user, &id, "requeue", None).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=requeued")))
}

#[post("/ops/events/{id}/skip")]
pub(super) async fn skip(
    operator: Operator,
    id: web::Path<String>,
    Posted(form): Posted<Reason>,
) -> Result<HttpResponse, Problem> {
    operator.room.api.act_on_event(&operator.user, &id, "skip", Some(&form.reason)).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=skipped")))
}
