//! HTTP to the services.

use std::time::Duration;

use ureq::Agent;

/// A client that gives up on the whole of a call after `deadline`, and for which no status is an error.
pub fn agent(deadline: Duration) -> Agent {
    // A proxy from the environment is not for loopback.
    Agent::config_builder()
        .timeout_global(Some(deadline))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does its work.
    Ready,
    /// It runs but cannot do its work: the status and the text of its answer.
    NotReady(u16, String),
    /// There was no answer in time.
    NoAnswer,
}

/// Asks `/health/ready` of the service on this port.
pub fn readiness(port: u16) -> Readiness {
    let answer = agent(Duration::from_secs(2)).get(format!("http://127.0.0.1:{port}/health/ready")).call();
    match answer {
        Ok(answer) if answer.status() == 200 => Readiness::Ready,
        Ok(mut answer) => {
            let text = answer.body_mut().with_config().limit(2048).read_to_string().unwrap_or_default();
            Readiness::NotReady(answer.status().as_u16(), text)
        }
        Err(_) => Readiness::NoAnswer,
    }
}
