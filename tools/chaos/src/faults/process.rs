//! What may happen to any process, of a service or of a server.

use std::ops::RangeInclusive;

use anyhow::Result;
use harness::Name;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Injection, Target, injection};

/// Nothing happens to any.
pub(super) async fn calm(target: &mut Target<'_>) -> Result<Injection> {
    target.hold(4.0..=5.0).await;
    Ok(injection(1, Instant::now()))
}

/// Kills a service, and starts it again after a while.
pub(super) async fn killed(
    target: &mut Target<'_>,
    service: Name,
    seconds: RangeInclusive<f64>,
) -> Result<Injection> {
    target.environment.kill(service)?;
    target.hold(seconds).await;
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(1, healed))
}

/// Kills a service as soon as it works, this often.
pub(super) async fn crash_loop(
    target: &mut Target<'_>,
    service: Name,
    times: u64,
    pause: RangeInclusive<f64>,
) -> Result<Injection> {
    for _ in 0..times {
        target.environment.kill(service)?;
        target.environment.launch(service, &[])?;
        target.hold(pause.clone()).await;
    }
    target.environment.kill(service)?;
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(times + 1, healed))
}

/// Stops a process, a server with its children, where it is for a while (SIGSTOP), and lets it go on.
pub(super) async fn frozen(
    target: &mut Target<'_>,
    name: Name,
    seconds: RangeInclusive<f64>,
) -> Result<Injection> {
    target.environment.signal(name, Signal::STOP)?;
    target.hold(seconds).await;
    target.environment.signal(name, Signal::CONT)?;
    Ok(injection(1, Instant::now()))
}

/// Asks a service to end, and starts it again.
pub(super) async fn restarted(target: &mut Target<'_>, service: Name) -> Result<Injection> {
    target.environment.stop(service).await?;
    target.hold(0.2..=1.0).await;
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(1, healed))
}

/// Kills a server, and starts it again.
pub(super) async fn server_killed(target: &mut Target<'_>, server: Name) -> Result<Injection> {
    target.environment.kill_server(server)?;
    target.hold(0.5..=2.0).await;
    Ok(injection(1, target.environment.start_server_and_watch(server)?))
}

/// Restarts a server as an operator would.
pub(super) async fn server_restarted(target: &mut Target<'_>, server: Name) -> Result<Injection> {
    target.environment.stop_server(server)?;
    target.hold(0.0..=1.0).await;
    Ok(injection(1, target.environment.start_server_and_watch(server)?))
}
