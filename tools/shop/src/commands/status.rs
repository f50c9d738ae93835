//! `cargo shop status`.

use std::process::ExitCode;

use anyhow::Result;

use crate::http::{self, Readiness};
use crate::registry::Name;
use crate::servers::{Postgres, Rabbitmq};
use crate::suite::{State, Suite};
use crate::terminal::{self, table};

/// Prints a table, and what is wrong with the logs; the exit code is 1 if something that should run does not, or is not
/// ready, or waits for an operator, or if events are not published that should be.
pub(super) fn run() -> Result<ExitCode> {
    let suite = Suite::open()?;
    let mut rows = vec![["NAME", "PID", "STATE", "ADDRESS", "HEALTH"].map(str::to_owned).to_vec()];
    let mut is_well = true;
    for name in suite.names() {
        let port = suite.ports.of(name)?;
        let (pid, state, health) = match suite.state(name)? {
            State::Running(process) if process.is_frozen() => {
                is_well = false;
                (process.pid.to_string(), "frozen", format!("cargo shop thaw {name}"))
            }
            State::Running(process) => {
                let (healthy, health) = health(name, port);
                is_well &= healthy;
                (process.pid.to_string(), "running", health)
            }
            State::Died(process) => {
                is_well = false;
                (process.pid.to_string(), "died", format!("cargo shop start {name}"))
            }
            State::Stopped => {
                is_well = false;
                ("-".to_owned(), "stopped", "-".to_owned())
            }
        };
        let address = match name {
            Name::Postgres | Name::Rabbitmq(_) => format!("127.0.0.1:{port}"),
            _ => format!("http://127.0.0.1:{port}"),
        };
        rows.push(vec![name.to_string(), pid, state.to_owned(), address, health]);
    }
    terminal::say(table(&rows).trim_end());
    let problems = suite.log_problems().unwrap_or_else(|error| vec![format!("the logs: {error:#}")]);
    for problem in &problems {
        terminal::say(format!("! {problem}"));
    }
    is_well &= problems.is_empty();
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn health(name: Name, port: u16) -> (bool, String) {
    let answers = match name {
        Name::Postgres => Postgres::answers(port),
        Name::Rabbitmq(_) => Rabbitmq::answers(port),
        _ => {
            return match http::readiness(port) {
                Readiness::Ready => match &http::waits_for_an_operator(port)[..] {
                    [] => (true, "ready".to_owned()),
                    [one] if one == "blocked keys" => {
                        (false, "ready, but keys are blocked: see /ops/waiting".to_owned())
                    }
                    what => (false, format!("ready, but there are {}", what.join(" and "))),
                },
                Readiness::NotReady(status, _) => (false, format!("not ready ({status})")),
                Readiness::NoAnswer => (false, "no answer".to_owned()),
            };
        }
    };
    (answers, if answers { "ready" } else { "no answer" }.to_owned())
}
