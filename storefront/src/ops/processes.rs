//! In development mode, an operator kills, freezes, thaws and starts relays to watch the recovery.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use service_kit::problem::Problem;
use tokio::process::Command;

use super::operator::Operator;
use crate::pages::see_other;
use crate::session::{Nothing, Posted};

/// How long the tool may take. A start returns when the process is ready.
const DEADLINE: Duration = Duration::from_secs(40);

/// How much of the tool's error is shown, in bytes.
const ERROR_LIMIT: usize = 500;

/// The actions, each with the notice that the next page shows.
const ACTIONS: [(&str, &str); 4] =
    [("kill", "killed"), ("freeze", "frozen"), ("thaw", "thawed"), ("start", "started")];

/// The `shop` program, and the processes that it may act on.
#[derive(Clone)]
pub(super) struct Tool {
    path: PathBuf,
    names: Vec<String>,
}

impl Tool {
    pub(super) fn new(path: PathBuf, names: Vec<String>) -> Self {
        Self { path, names }
    }

    /// Runs `shop ACTION NAME`. The problem carries what the tool says when it refuses.
    async fn run(&self, action: &str, name: &str) -> Result<(), Problem> {
        let mut command = Command::new(&self.path);
        // The settings of this process are not those of the process that the tool starts.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("APP__") {
                command.env_remove(variable);
            }
        }
        let running = command
            .args([action, name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(DEADLINE, running).await.ok();
        let output = output.ok_or_else(|| Problem::unavailable("the shop tool takes too long", 1))?;
        let output = output.map_err(|error| Problem::internal(&error))?;
        if output.status.success() {
            return Ok(());
        }
        let error = String::from_utf8_lossy(&output.stderr);
        let error = error.trim().trim_start_matches("error: ");
        let error = error.get(..error.floor_char_boundary(ERROR_LIMIT)).unwrap_or_default();
        Err(Problem::new(StatusCode::CONFLICT, "tool", "the shop tool could not do that").detail(error))
    }
}

/// Adds the route.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(run_action);
}

#[post("/ops/processes/{name}/{action}")]
async fn run_action(
    _: Posted<Nothing>,
    operator: Operator,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (name, action) = path.into_inner();
    let tool = operator.room.tool.clone().filter(|tool| tool.names.contains(&name));
    let action = ACTIONS.iter().find(|(known, _)| *known == action);
    let Some((tool, (action, notice))) = tool.zip(action) else {
        return Err(Problem::not_found("there is no such process here"));
    };
    tracing::warn!(process = name, action, by = operator.user.name, "an operator acts on a process");
    // The action is completed even if the visitor disconnects.
    let run = tokio::spawn(async move { tool.run(action, &name).await });
    run.await.map_err(|error| Problem::internal(&error))??;
    Ok(see_other(&format!("/ops?did={notice}")))
}
