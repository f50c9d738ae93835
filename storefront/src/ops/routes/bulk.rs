//! Many events at once: first how many an order would concern, then its progress.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::{Problem, Query};
use service_kit::reason;
use service_kit::server::Stopping;
use uuid::Uuid;

use crate::kept::Keep;
use crate::live::{Signal, respond};
use crate::ops::bulk::{Asked, Job, Order, Outcome, Step};
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html, see_other};
use crate::session::Posted;

/// The shortest time between two signals to a page.
const PACE: Duration = Duration::from_millis(200);

#[derive(Template)]
#[template(path = "ops/bulk.html")]
struct PreviewPage {
    frame: Frame,
    id: Uuid,
    /// What would be done, or why it cannot be.
    preview: Result<(Order, Step), String>,
}

#[derive(Template)]
#[template(path = "ops/job.html")]
struct JobPage {
    frame: Frame,
    job: Arc<Job>,
    done: u64,
    outcome: Option<Outcome>,
}

/// A dry run.
#[get("/ops/bulk")]
pub(super) async fn preview(operator: Operator, Query(asked): Query<Asked>) -> Answer {
    let Operator { visit, user, room } = &operator;
    let preview = match asked.order() {
        Err(problem) => Err(problem.to_owned()),
        Ok(order) => match order.count(&room.api, user).await {
            Ok(step) => Ok((order, step)),
            Err(error) => Err(error.message()),
        },
    };
    let status = if preview.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let frame = visit.frame("Many at once", Section::Ops).await;
    html(status, &PreviewPage { frame, id: Uuid::new_v4(), preview })
}

#[derive(Debug, Deserialize)]
struct Confirmed {
    #[serde(flatten)]
    asked: Asked,
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    reason: String,
}

/// Starts an order, once for each id.
#[post("/ops/bulk")]
pub(super) async fn start(Posted(form): Posted<Confirmed>, operator: Operator) -> Answer {
    let Operator { user, room, .. } = operator;
    let id = form.id.unwrap_or_else(Uuid::new_v4);
    if room.jobs.find(id, &user.name).is_none() {
        let order = form.asked.order().map_err(Problem::unprocessable)?;
        if order.is_final() {
            reason::of_body(Some(&form.reason), "reason")?;
        }
        let found = order.count(&room.api, &user).await?;
        match room.jobs.keep(id, &user.name, Job::new(id, order, &form.reason, found)) {
            Keep::New(job) => {
                let (order, total, by) = (&job.order, job.total, &user.name);
                tracing::info!(?order, total, by, "an operator decides about many");
                actix_web::rt::spawn(async move { job.run(&room.api, &user).await });
            }
            Keep::Known => {}
            Keep::Full => return Err(Problem::conflict("Too many orders are being carried out: wait.")),
        }
    }
    Ok(see_other(&format!("/ops/bulk/{id}")))
}

#[get("/ops/bulk/{id}")]
pub(super) async fn show(operator: Operator, id: web::Path<Uuid>) -> Answer {
    let job = find(&operator, *id)?;
    let frame = operator.visit.frame("Many at once", Section::Ops).await;
    let state = job.state();
    html(StatusCode::OK, &JobPage { frame, job, done: state.done, outcome: state.outcome })
}

/// Tells an open page about the progress.
#[get("/ops/bulk/{id}/stream")]
pub(super) async fn stream(operator: Operator, id: web::Path<Uuid>, stopping: web::Data<Stopping>) -> Answer {
    let job = find(&operator, *id)?;
    Ok(respond(&operator.user, &stopping, |signals| async move {
        let mut changes = job.subscribe();
        loop {
            let is_running = job.is_running();
            if !signals.send(Signal::Changed).await || !is_running || changes.changed().await.is_err() {
                break;
            }
            tokio::time::sleep(PACE).await;
        }
        signals.send(Signal::Over).await;
    }))
}

fn find(operator: &Operator, id: Uuid) -> Result<Arc<Job>, Problem> {
    operator.room.jobs.find(id, &operator.user.name).ok_or_else(|| {
        Problem::not_found(
            "There is no such order, or the shop's pages were restarted since. What it did stays done: count again.",
        )
    })
}
