//! Signals into a cancellation token.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns a token that is cancelled on the first SIGTERM or SIGINT.
///
/// A second signal while the process is stopping ends it at once, with exit code 130: an operator
/// who asks twice does not want to wait.
pub fn on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        for pass in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if pass == 0 {
                tracing::info!("asked to stop");
                token.cancel();
            }
        }
        tracing::warn!("asked to stop twice, exiting at once");
        std::process::exit(130);
    });
    Ok(stop)
}
