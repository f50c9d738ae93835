//! Programs of the shop beside a suite.

use std::process::Command;
use std::sync::OnceLock;

use test_kit::Process;

use crate::path_of;

/// What programs log that are started from now on.
static FILTER: OnceLock<&str> = OnceLock::new();

/// Has every program that is started from now on log all that it can, for the rest of the test's process.
pub fn log_everything() {
    FILTER.get_or_init(|| "trace");
}

/// The setting of what is logged.
pub(crate) fn log_filter() -> (&'static str, &'static str) {
    ("APP__LOG__FILTER", FILTER.get().copied().unwrap_or("info"))
}

/// A program of the shop in development mode, with these settings and nothing of the test's own environment.
pub(crate) fn command(binary: &'static str, settings: &[(&str, &str)]) -> Command {
    let usual = [
        log_filter(),
        ("APP__MODE", "development"),
        ("APP__HTTP__PORT", "0"),
        ("APP__AUTH__SECRET", "shop-development-secret-not-for-production"),
    ];
    let mut command = Command::new(path_of(binary));
    command.env_clear().envs(usual).envs(settings.iter().copied());
    command
}

/// Starts it.
pub(crate) fn start(binary: &'static str, settings: &[(&str, &str)]) -> Process {
    Process::start(binary, command(binary, settings))
}

/// Has it make its tables.
pub(crate) fn migrate(binary: &'static str, settings: &[(&str, &str)]) {
    let output = command(binary, settings).arg("migrate").output().expect("a binary to start");
    assert!(output.status.success(), "{binary} migrate: {}", String::from_utf8_lossy(&output.stderr));
}
