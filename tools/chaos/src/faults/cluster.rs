//! A broker of three nodes, of which one is away.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use shop::registry::CLUSTER;
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{Name, until};

/// What these faults are called together; their environment has a cluster.
pub(super) const GROUP: &str = "cluster";

/// How long an event may take while one node is away: who was connected to it looks for another one, and its queues for
/// another leader. A node that answers nothing is noticed by its silence, first by clients (10 s), then by the others.
const FLOWS: Duration = Duration::from_secs(30);

/// How long nodes that were cut off, or started, may take to find each other, and queues their replicas.
const WHOLE: Duration = Duration::from_mins(2);

/// How long a node that was frozen may take to be one of them again without an operator.
const BY_ITSELF: Duration = Duration::from_secs(5);

/// Longer than the others wait for a sign of life: 10 s and a quarter more.
const AWAY: RangeInclusive<f64> = 13.0..=15.0;

pub(super) const FAULTS: &[Fault] = faults! {
    cluster: "broker-node-killed" [3, 2]
        "a node of RabbitMQ that does not lead the basket's queue is killed, and started again" => follower_killed;
    cluster: "queue-leader-killed" [3, 2]
        "the node that leads the basket's queue is killed, and started again" => leader_killed;
    cluster: "broker-node-cut-off" [3, 2]
        "the node that leads the basket's queue cannot reach the other two, nor they it" => cut_off;
    cluster: "broker-node-frozen" [3, 2]
        "the node that leads the basket's queue stands still for longer than the others wait" => frozen;
    cluster: "broker-rolling-restart" [3, 2]
        "the three nodes of RabbitMQ are restarted one after the other" => rolling_restart;
};

async fn follower_killed(target: &mut Target<'_>) -> Result<Injection> {
    let leader = leader(target).await?;
    let followers: Vec<u8> = (1..=CLUSTER).filter(|node| *node != leader).collect();
    let follower = followers[target.rng.usize(..followers.len())];
    killed(target, follower).await?;
    Ok(injection(1, Instant::now()))
}

async fn leader_killed(target: &mut Target<'_>) -> Result<Injection> {
    let before = leader(target).await?;
    let after = killed(target, before).await?;
    ensure!(after != before, "the basket's queue is led by a node that was killed");
    Ok(injection(1, Instant::now()))
}

/// Kills a node and starts it again; the leader of the basket's queue meanwhile.
async fn killed(target: &mut Target<'_>, node: u8) -> Result<u8> {
    target.environment.kill_server(Name::Rabbitmq(node))?;
    target.one_arrives(FLOWS).await.context("while a node is away")?;
    target.hold(1.0..=3.0).await;
    target.one_arrives(FLOWS).await.context("while a node is away")?;
    let leader = leader(target).await?;
    target.environment.start_server(Name::Rabbitmq(node))?;
    until_whole(target, WHOLE).await?;
    Ok(leader)
}

/// The node gets another secret for the others than they have, so that no connection comes about. Its clients reach it until
/// it notices that it sees no majority, and stops.
async fn cut_off(target: &mut Target<'_>) -> Result<Injection> {
    let node = leader(target).await?;
    let others = others(target, node).await?;
    let cut = format!("[{{erlang:set_cookie(N, nobody), erlang:disconnect_node(N)}} || N <- {others}].");
    target.environment.control_node(node, &["eval", &cut])?;
    let flows = target.one_arrives(FLOWS).await;
    target.hold(AWAY).await;
    let after = leader(target).await;
    let mend = format!("[erlang:set_cookie(N, erlang:get_cookie()) || N <- {others}].");
    target.environment.control_node(node, &["eval", &mend])?;
    flows.context("while a node is cut off")?;
    ensure!(after? != node, "the basket's queue is led by a node that is cut off");
    let healed = Instant::now();
    until_whole(target, WHOLE).await?;
    Ok(injection(1, healed))
}

/// A node that goes on finds the others in another present. RabbitMQ with Mnesia does not get over that by itself: an
/// operator restarts the node.
async fn frozen(target: &mut Target<'_>) -> Result<Injection> {
    let node = Name::Rabbitmq(leader(target).await?);
    target.environment.signal(node, Signal::STOP)?;
    let flows = target.one_arrives(FLOWS).await;
    target.hold(AWAY).await;
    target.environment.signal(node, Signal::CONT)?;
    flows.context("while a node is frozen")?;
    target.one_arrives(FLOWS).await.context("after a node was frozen")?;
    if until_whole(target, BY_ITSELF).await.is_err() {
        target.environment.stop_server(node)?;
        target.environment.start_server(node)?;
        until_whole(target, WHOLE).await?;
    }
    Ok(injection(1, Instant::now()))
}

async fn rolling_restart(target: &mut Target<'_>) -> Result<Injection> {
    for node in (1..=CLUSTER).map(Name::Rabbitmq) {
        target.environment.stop_server(node)?;
        target.one_arrives(FLOWS).await.context("while a node is restarted")?;
        target.environment.start_server(node)?;
        // As an operator does: the next one only when no queue needs this one any more.
        until_whole(target, WHOLE).await?;
    }
    Ok(injection(CLUSTER.into(), Instant::now()))
}

/// The number of the node that leads the basket's queue.
async fn leader(target: &Target<'_>) -> Result<u8> {
    let queue =
        target.environment.broker.manage(Method::GET, "queues/shop/basket.events", &Value::Null).await?;
    let node = queue["leader"].as_str().context("the basket's queue has no leader")?;
    let number = node.split('@').next().and_then(|name| name.strip_prefix("shop"));
    let number = number.with_context(|| format!("{node} is not a node of this cluster"))?;
    Ok(if number.is_empty() { 1 } else { number.trim_start_matches('-').parse()? })
}

/// The names of the other nodes, as a list of Erlang's.
async fn others(target: &Target<'_>, node: u8) -> Result<String> {
    let nodes = target.environment.broker.manage(Method::GET, "nodes?columns=name", &Value::Null).await?;
    let own = if node == 1 { "shop@".to_owned() } else { format!("shop-{node}@") };
    let names = nodes.as_array().into_iter().flatten().filter_map(|node| node["name"].as_str());
    let others: Vec<String> =
        names.filter(|name| !name.starts_with(&own)).map(|name| format!("'{name}'")).collect();
    ensure!(others.len() + 1 == usize::from(CLUSTER), "the cluster has other nodes: {nodes}");
    Ok(format!("[{}]", others.join(", ")))
}

/// Waits until all nodes run and see each other, and every queue has all its replicas.
async fn until_whole(target: &Target<'_>, limit: Duration) -> Result<()> {
    let broker = &target.environment.broker;
    let mut last = String::new();
    let is_whole = async || {
        target.environment.interrupt.check()?;
        last = match (
            broker.manage(Method::GET, "nodes?columns=name,running,partitions", &Value::Null).await,
            broker.manage(Method::GET, "queues/shop?columns=name,online", &Value::Null).await,
        ) {
            (Ok(nodes), Ok(queues)) => missing(&nodes, &queues).join(", "),
            (Err(error), _) | (_, Err(error)) => format!("{error:#}"),
        };
        Ok(last.is_empty().then_some(()))
    };
    let whole = until(limit, Duration::from_millis(500), is_whole).await?;
    whole.with_context(|| format!("the cluster is not whole after {limit:?}: {last}"))
}

fn missing(nodes: &Value, queues: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (nodes, queues) = (list(nodes), list(queues));
    let well = |node: &&Value| node["running"] == true && list(&node["partitions"]).is_empty();
    let mut missing = Vec::new();
    if nodes.iter().filter(well).count() < usize::from(CLUSTER) {
        missing.push(format!("nodes: {nodes:?}"));
    }
    let has_all = |queue: &&Value| list(&queue["online"]).len() >= usize::from(CLUSTER);
    missing.extend(queues.iter().filter(|queue| !has_all(queue)).map(|queue| format!("queue {queue}")));
    missing
}
