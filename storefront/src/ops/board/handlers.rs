//! The board's routes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use chrono::Utc;
use service_kit::problem::Problem;
use service_kit::server::Stopping;

use super::view::Board;
use crate::live::{Signal, respond};
use crate::ops::enter;
use crate::pages::{CartMark, Frame, Section, Visit, html};

/// Adds the routes.
pub(in crate::ops) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(refresh).service(live);
}

#[derive(Template)]
#[template(path = "ops/page.html")]
struct Page {
    frame: Frame,
    /// What is seen; `None` where the first look takes too long.
    board: Option<Board>,
}

#[get("/ops")]
async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let (mut frame, seen) = tokio::join!(visit.frame("Control room", Section::Ops), room.watch.seen(user));
    frame.is_partial = seen.is_none();
    let board = seen.map(|seen| Board::new(&seen, room.tool.is_some()));
    html(StatusCode::OK, &Page { frame, board })
}

/// The page without what surrounds it: what an open page takes its live parts from.
#[get("/ops/board")]
async fn refresh(visit: Visit) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let seen = room.watch.seen(user).await;
    let board = seen.map(|seen| Board::new(&seen, room.tool.is_some()));
    let frame = visit.frame_with("Control room", Section::Ops, CartMark::default());
    html(StatusCode::OK, &Page { frame, board })
}

/// Tells an open page whenever there is something new to see.
#[get("/ops/live")]
async fn live(visit: Visit, stopping: web::Data<Stopping>) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let (watch, user, stop) = (room.watch.clone(), user.clone(), stopping.0.clone());
    Ok(respond(move |signals| async move {
        let mut seen = watch.join(&user);
        loop {
            let left = (user.expires_at - Utc::now()).to_std().unwrap_or_default();
            let signal = tokio::select! {
                biased;
                // A page that is cut off connects again, to the next process.
                () = stop.cancelled() => return,
                () = tokio::time::sleep(left) => Signal::Over,
                changed = seen.changed() => if changed.is_ok() { Signal::Changed } else { return },
            };
            watch.stay(&user);
            let is_over = signal == Signal::Over;
            if !signals.send(signal).await || is_over {
                return;
            }
        }
    }))
}
