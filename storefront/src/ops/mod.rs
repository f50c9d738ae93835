//! The control room: the way of events with live figures, and what an operator does about them.
//!
//! | module | job |
//! |---|---|
//! | `api` | the services' operator routes |
//! | `board` | the picture: what is asked once a second while somebody looks, and how it is drawn |
//! | `events` | the log: a list, one event's journey, requeue and skip |
//! | `letters` | dead letters: look, replay, discard |
//! | `processes` | in development mode: kill, freeze, thaw and start relays |

mod api;
mod board;
mod events;
mod letters;
mod processes;

use actix_web::web;
use anyhow::Result;
use service_kit::problem::Problem;

use crate::pages::Visit;
use crate::session::{OPS, User};
use crate::settings::Settings;
use api::OpsApi;
use board::Watch;
use processes::Tool;

/// What the control room works with; one for the whole process. Cheap to clone.
#[derive(Clone)]
pub struct ControlRoom {
    api: OpsApi,
    watch: Watch,
    /// In development mode only.
    tool: Option<Tool>,
}

impl ControlRoom {
    /// `None` where no relay is configured. Nothing is connected.
    pub fn new(settings: &Settings) -> Result<Option<Self>> {
        // Asked for in any case: one that must not be there is an error.
        let tool = settings.tool()?;
        let Some(api) = OpsApi::new(settings)? else { return Ok(None) };
        let tool = tool.map(|tool| Tool::new(tool.path.clone(), api.relay_names()));
        Ok(Some(Self { watch: Watch::new(api.clone()), api, tool }))
    }
}

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(board::routes).configure(events::routes).configure(letters::routes);
    config.configure(processes::routes);
}

/// The control room, for an operator; 403 for anybody else, 404 where there is none.
fn enter(visit: &Visit) -> Result<(&ControlRoom, &User), Problem> {
    let user = visit.allowed(OPS)?;
    let room = visit.shop.control_room.as_ref();
    Ok((room.ok_or_else(|| Problem::not_found("this shop has no control room"))?, user))
}

/// A number of things, with its thousands apart.
fn count(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_shown_with_their_thousands_apart() {
        assert_eq!(super::count(0), "0");
        assert_eq!(super::count(999), "999");
        assert_eq!(super::count(1_234_567_u64), "1,234,567");
        assert_eq!(super::count(-1_000), "−1,000");
    }
}
