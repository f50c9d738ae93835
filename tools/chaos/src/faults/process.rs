//! What may happen to any process, of a service or of a server.

use std::ops::RangeInclusive;

use anyhow::Result;
use harness::Service;
use rustix::process::Signal;
use shop::suite::Name;
use tokio::time::Instant;

use super::{Act, Scene, act};

/// Kills a service, and starts it again after a while.
pub(super) async fn killed(scene: &mut Scene<'_>, service: Service) -> Result<Act> {
    scene.environment.kill(service)?;
    scene.hold(0.5..=2.0).await;
    let healed = Instant::now();
    scene.environment.start(service).await?;
    Ok(act(1, healed))
}

/// Kills a service as soon as it works, this often.
pub(super) async fn crash_loop(
    scene: &mut Scene<'_>,
    service: Service,
    times: u64,
    pause: RangeInclusive<f64>,
) -> Result<Act> {
    for _ in 0..times {
        scene.environment.kill(service)?;
        scene.environment.launch(service, &[])?;
        scene.hold(pause.clone()).await;
    }
    scene.environment.kill(service)?;
    let healed = Instant::now();
    scene.environment.start(service).await?;
    Ok(act(times + 1, healed))
}

/// Stops a service where it is for a while (SIGSTOP), and lets it go on.
pub(super) async fn frozen(
    scene: &mut Scene<'_>,
    service: Service,
    seconds: RangeInclusive<f64>,
) -> Result<Act> {
    scene.environment.signal(service, Signal::STOP)?;
    scene.hold(seconds).await;
    scene.environment.signal(service, Signal::CONT)?;
    Ok(act(1, Instant::now()))
}

/// Asks a service to end, and starts it again.
pub(super) async fn restarted(scene: &mut Scene<'_>, service: Service) -> Result<Act> {
    scene.environment.stop(service).await?;
    scene.hold(0.2..=1.0).await;
    let healed = Instant::now();
    scene.environment.start(service).await?;
    Ok(act(1, healed))
}

/// Kills a server, and starts it again.
pub(super) async fn server_killed(scene: &mut Scene<'_>, server: Name) -> Result<Act> {
    scene.environment.kill_server(server)?;
    scene.hold(0.5..=2.0).await;
    Ok(act(1, scene.environment.start_server_and_watch(server)?))
}

/// Restarts a server as an operator would.
pub(super) async fn server_restarted(scene: &mut Scene<'_>, server: Name) -> Result<Act> {
    scene.environment.stop_server(server)?;
    scene.hold(0.0..=1.0).await;
    Ok(act(1, scene.environment.start_server_and_watch(server)?))
}

/// Stops a server and its children where they are for a while.
pub(super) async fn server_frozen(
    scene: &mut Scene<'_>,
    server: Name,
    seconds: RangeInclusive<f64>,
) -> Result<Act> {
    scene.environment.signal_server(server, Signal::STOP)?;
    scene.hold(seconds).await;
    scene.environment.signal_server(server, Signal::CONT)?;
    Ok(act(1, Instant::now()))
}
