//! In development mode: relays are killed, frozen, thawed and started, so that a person can watch recovery.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use service_kit::problem::Problem;
use tokio::process::Command;

use super::enter;
use crate::pages::{Visit, see_other};
use crate::session::{Nothing, Posted};

/// How long the tool may take: a start returns when the process is ready.
const PATIENCE: Duration = Duration::from_secs(40);

/// How much of what the tool says is shown, in bytes.
const SAID: usize = 500;

/// What can be done, and what the page then says.
const ORDERS: [(&str, &str); 4] =
    [("kill", "killed"), ("freeze", "frozen"), ("thaw", "thawed"), ("start", "started")];

/// The `shop` program, and what may be done with it.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    path: PathBuf,
    names: Vec<String>,
}

impl Tool {
    pub(super) fn new(path: PathBuf, names: Vec<String>) -> Self {
        Self { path, names }
    }

    /// Runs `shop ORDER NAME`; both are ours, whatever was sent. What it says when it refuses is the error.
    async fn run(&self, order: &str, name: &str) -> Result<(), Problem> {
        let mut command = Command::new(&self.path);
        // Our settings are not those of what it starts.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("APP__") {
                command.env_remove(variable);
            }
        }
        let running = command
            .args([order, name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, running).await.ok();
        let output = output.ok_or_else(|| Problem::unavailable("the shop tool takes too long", 1))?;
        let output = output.map_err(|error| Problem::internal(&error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ");
        let said = said.get(..said.floor_char_boundary(SAID)).unwrap_or_default();
        Err(Problem::new(StatusCode::CONFLICT, "tool", "the shop tool could not do that").detail(said))
    }
}

/// Adds the route.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(carry_out);
}

#[post("/ops/processes/{name}/{order}")]
async fn carry_out(
    visit: Visit,
    path: web::Path<(String, String)>,
    _: Posted<Nothing>,
) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let (name, order) = path.into_inner();
    let tool = room.tool.clone();
    let known = tool.as_ref().and_then(|tool| {
        let name = tool.names.iter().find(|known| **known == name)?;
        let (order, did) = ORDERS.iter().find(|(known, _)| *known == order)?;
        Some((tool.clone(), name.clone(), *order, *did))
    });
    let (tool, name, order, did) =
        known.ok_or_else(|| Problem::not_found("there is no such process here"))?;
    tracing::warn!(process = name, order, by = user.name, "an operator asked for this");
    // To its end, even if the visitor leaves.
    let done = tokio::spawn(async move { tool.run(order, &name).await });
    done.await.map_err(|error| Problem::internal(&error))??;
    Ok(see_other(&format!("/ops?did={did}")))
}
