//! The routes of the dashboard.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{get, web};
use askama::Template;
use service_kit::server::Stopping;
use tokio::time::{MissedTickBehavior, interval};

use crate::live::{Signal, respond};
use crate::ops::dashboard::Dashboard;
use crate::ops::operator::Operator;
use crate::pages::{Answer, CartMark, Frame, Section, html};

/// How often an open page is renewed.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "ops/dashboard.html")]
struct Page {
    frame: Frame,
    dashboard: Arc<Dashboard>,
    /// Whether processes can be killed and started from here.
    has_tool: bool,
}

#[get("/ops")]
pub(super) async fn show(operator: Operator) -> Answer {
    let Operator { visit, user, room } = &operator;
    let (frame, dashboard) =
        tokio::join!(visit.frame("Control room", Section::Ops), room.poller.latest(&room.api, user));
    html(StatusCode::OK, &Page { frame, dashboard, has_tool: room.tool.is_some() })
}

/// The same page without the cart: an open page takes its live parts from it.
#[get("/ops/dashboard")]
pub(super) async fn refresh(operator: Operator) -> Answer {
    let Operator { visit, user, room } = &operator;
    let dashboard = room.poller.latest(&room.api, user).await;
    let frame = visit.frame_with("Control room", Section::Ops, CartMark::default());
    html(StatusCode::OK, &Page { frame, dashboard, has_tool: room.tool.is_some() })
}

/// Tells an open page every second to renew its live parts.
#[get("/ops/live")]
pub(super) async fn stream(operator: Operator, stopping: web::Data<Stopping>) -> Answer {
    Ok(respond(&operator.user, &stopping, |signals| async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !signals.send(Signal::Changed).await {
                return;
            }
        }
    }))
}
