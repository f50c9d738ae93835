//! Running the tests.

use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::TestArgs;
use crate::home::checkout;
use crate::process::without_foreign_settings;
use crate::suite::cargo;
use crate::terminal::{self, Interrupt};

/// Tests that kill a process at a named point need the points compiled in.
const FEATURES: [&str; 2] = ["--features", "crash-points"];

/// How long a runner gets to end by itself after Ctrl-C, which the terminal has sent it as well.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs the examples in the documentation, then everything else, with nextest where it is installed.
///
/// The documentation's examples come first because nextest does not know them and its summary is to be
/// last; they are left out when only some tests are asked for.
pub(super) fn run(
    args: &TestArgs,
    environment: &[(&str, String)],
    interrupt: &Interrupt,
) -> Result<ExitCode> {
    let run = |mut command: Command| {
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        // The tests' own children get what they need from the tests.
        without_foreign_settings(&mut command).env_remove("CRASH_POINT");
        let child = command.stdin(Stdio::null()).spawn().context("cannot run cargo")?;
        wait(child, interrupt)
    };
    if !has_nextest() {
        return run(cargo_test(args)).map(exit_code);
    }
    if args.filter.is_empty() && args.runner.is_empty() {
        let mut examples = cargo(&checkout());
        examples.args(["test", "--quiet", "--workspace", "--doc"]).args(FEATURES);
        let status = run(examples)?;
        if !status.success() {
            return Ok(exit_code(status));
        }
    }
    run(nextest(args)).map(exit_code)
}

fn nextest(args: &TestArgs) -> Command {
    let mut command = cargo(&checkout());
    command.args(["nextest", "run", "--workspace"]).args(FEATURES).args(&args.runner).args(&args.filter);
    command
}

fn cargo_test(args: &TestArgs) -> Command {
    let mut command = cargo(&checkout());
    command.args(["test", "--workspace", "--no-fail-fast"]).args(FEATURES).args(&args.runner);
    if !args.filter.is_empty() {
        command.arg("--").args(&args.filter);
    }
    command
}

fn has_nextest() -> bool {
    let mut asked = cargo(&checkout());
    asked.args(["nextest", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// Waits for the runner. Ctrl-C has reached it too, and it ends by itself; any other signal is passed on.
fn wait(mut child: Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let mut asked = None;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the tests")? {
            return Ok(status);
        }
        if interrupt.count() > 0 {
            let since = *asked.get_or_insert_with(Instant::now);
            let is_overdue = since.elapsed() > PATIENCE;
            if is_overdue || interrupt.is_termination() {
                terminate(&child, if is_overdue { Signal::KILL } else { Signal::TERM })?;
            }
        }
        terminal::pause();
    }
}

fn terminate(child: &Child, signal: Signal) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child without a number")?;
    kill_process(pid, signal).context("cannot stop the tests")
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // Ended by a signal, it has no code of its own.
    code.map_or(ExitCode::from(130), ExitCode::from)
}
