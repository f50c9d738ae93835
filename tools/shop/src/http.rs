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
    match ask(port) {
        Some((200, _)) => Readiness::Ready,
        Some((status, text)) => Readiness::NotReady(status, text),
        None => Readiness::NoAnswer,
    }
}

/// What of a service that is ready waits for an operator, such as `blocked keys`.
pub fn waits_for_an_operator(port: u16) -> Vec<String> {
    ask(port).map(|(_, text)| waiting_in(&text)).unwrap_or_default()
}

/// Each shows in the answer as `"no_…":"failing"`.
fn waiting_in(text: &str) -> Vec<String> {
    let failing = text.split(['{', ',']).filter(|check| check.contains(r#":"failing""#));
    let names = failing.filter_map(|check| check.split('"').nth(1)?.strip_prefix("no_"));
    names.map(|name| name.replace('_', " ")).collect()
}

/// The status and the text of `/health/ready`.
fn ask(port: u16) -> Option<(u16, String)> {
    let url = format!("http://127.0.0.1:{port}/health/ready");
    let mut answer = agent(Duration::from_secs(2)).get(url).call().ok()?;
    let text = answer.body_mut().with_config().limit(2048).read_to_string().unwrap_or_default();
    Some((answer.status().as_u16(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_ready_says_what_waits_for_an_operator() {
        let text =
            r#"{"status":"ok","checks":{"consumer":"failing","database":"ok","no_blocked_keys":"failing"}}"#;
        assert_eq!(waiting_in(text), ["blocked keys"]);
        assert_eq!(waiting_in(&text.replace("failing", "ok")), [""; 0]);
    }
}
