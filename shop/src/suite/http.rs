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

/// What `/health/ready` of a service says: its status, or `None` if nobody answered in time.
pub fn readiness(port: u16) -> Option<u16> {
    let answer = agent(Duration::from_secs(2)).get(format!("http://127.0.0.1:{port}/health/ready")).call();
    answer.ok().map(|answer| answer.status().as_u16())
}
