//! The routes of the dashboard.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use chrono::Utc;
use service_kit::problem::Problem;
use service_kit::server::Stopping;
use tokio::time::{MissedTickBehavior, interval};

use super::view::Dashboard;
use crate::live::{Signal, respond};
use crate::ops::operator::Operator;
use crate::pages::{CartMark, Frame, Section, html};

/// How often an open page is renewed.
const EVERY: Duration = Duration::from_secs(1);

/// Adds the routes.
pub(in crate::ops) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(refresh).service(stream);
}

#[derive(Template)]
#[template(path = "ops/dashboard.html")]
struct Page {
    frame: Frame,
    dashboard: Arc<Dashboard>,
    /// Whether processes can be killed and started from here.
    has_tool: bool,
}

#[get("/ops")]
async fn show(operator: Operator) -> Result<HttpResponse, Problem> {
    let Operator { visit, user, room } = &operator;
    let (frame, dashboard) =
        tokio::join!(visit.frame("Control room", Section::Ops), room.poller.latest(&room.api, user));
    html(StatusCode::OK, &Page { frame, dashboard, has_tool: room.tool.is_some() })
}

/// The same page without the cart: an open page takes its live parts from it.
#[get("/ops/dashboard")]
async fn refresh(operator: Operator) -> Result<HttpResponse, Problem> {
    let Operator { visit, user, room } = &operator;
    let dashboard = room.poller.latest(&room.api, user).await;
    let frame = visit.frame_with("Control room", Section::Ops, CartMark::default());
    html(StatusCode::OK, &Page { frame, dashboard, has_tool: room.tool.is_some() })
}

/// Tells an open page every second to renew its live parts, until its session is over.
#[get("/ops/live")]
async fn stream(operator: Operator, stopping: web::Data<Stopping>) -> Result<HttpResponse, Problem> {
    let stop = stopping.0.clone();
    Ok(respond(move |signals| async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let left = (operator.user.expires_at - Utc::now()).to_std().unwrap_or_default();
        let renewals = async {
            loop {
                ticks.tick().await;
                if !signals.send(Signal::Changed).await {
                    return;
                }
            }
        };
        tokio::select! {
            // A page that is cut off connects again, to the next process.
            () = stop.cancelled() => {}
            () = tokio::time::sleep(left) => drop(signals.send(Signal::Over).await),
            () = renewals => {}
        }
    }))
}
