//! Whether a broker is up.

use std::time::Duration;

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::VHOST;
use crate::http;
use crate::servers::first_byte;

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long taking over definitions may take: queues are declared on every node.
const IMPORT: Duration = Duration::from_secs(30);

/// Whether the port answers a protocol header with a method frame (`connection.start`), as a broker does
/// that takes connections.
pub(super) fn speaks_amqp(port: u16) -> bool {
    first_byte(port, b"AMQP\x00\x00\x09\x01").is_ok_and(|frame_type| frame_type == 1)
}

/// How many nodes of the cluster run, as the one behind this port sees them.
pub(super) fn running_nodes(port: u16, password: &str) -> Option<usize> {
    let request = http::agent(DEADLINE).get(format!("http://127.0.0.1:{port}/api/nodes?columns=running"));
    let mut answer = request.header("Authorization", credentials(password)).call().ok()?;
    let nodes: Vec<Value> = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
    Some(nodes.iter().filter(|node| node["running"] == true).count())
}

/// Has the broker take over definitions; what it has already stays.
pub(super) fn import(port: u16, password: &str, definitions: &[u8]) -> Result<()> {
    let request = http::agent(IMPORT).post(format!("http://127.0.0.1:{port}/api/definitions"));
    let request = request.header("Authorization", credentials(password));
    let mut answer = request.header("Content-Type", "application/json").send(definitions)?;
    if !answer.status().is_success() {
        let text = answer.body_mut().with_config().limit(2048).read_to_string().unwrap_or_default();
        bail!("the broker does not take its definitions: {} {text}", answer.status());
    }
    Ok(())
}

fn credentials(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("admin:{password}")))
}

/// Whether the management interface answers its administrator and has the suite's vhost.
pub(super) fn has_vhost(port: u16, password: &str) -> bool {
    http::agent(DEADLINE)
        .get(format!("http://127.0.0.1:{port}/api/vhosts/{VHOST}"))
        .header("Authorization", credentials(password))
        .call()
        .is_ok_and(|answer| answer.status() == 200)
}
