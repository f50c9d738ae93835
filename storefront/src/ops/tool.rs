//! The `shop` program, which kills, freezes, thaws and starts relays.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use actix_web::http::StatusCode;
use service_kit::problem::Problem;
use tokio::process::Command;

/// How long the tool may take. A start returns when the process is ready.
const DEADLINE: Duration = Duration::from_secs(40);

/// How much of the tool's error is shown, in bytes.
const ERROR_LIMIT: usize = 500;

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

    pub(super) fn may_act_on(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Runs `shop ACTION NAME`. The problem carries what the tool says when it refuses.
    pub(super) async fn run(&self, action: &str, name: &str) -> Result<(), Problem> {
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
