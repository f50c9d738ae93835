//! Listens for SMTP.

use std::net::TcpListener as Listener;
use std::sync::Arc;

use actix_web::web::Data;
use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::faults::{Faults, Kind};
use crate::session::Session;
use crate::store::Store;

/// The most connections at once; further ones wait.
const CONNECTIONS: usize = 200;

/// Listens on this port.
pub(crate) fn bind(host: &str, port: u16) -> anyhow::Result<Listener> {
    let listener = Listener::bind((host, port)).with_context(|| {
        format!("cannot listen on {host}:{port}: set APP__SMTP__PORT to a port that is free")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes mail until it is told to stop.
pub(crate) async fn serve(
    listener: Listener,
    store: Data<Store>,
    faults: Data<Faults>,
    stop: CancellationToken,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot take mail"),
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&room).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Such as no file descriptors: they come back when a connection ends.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        if faults.take(Kind::Away).is_some() {
            continue;
        }
        let session = Session::new(stream, store.clone(), faults.clone());
        let (faults, stop) = (faults.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                ended = session.run() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection has ended");
                    }
                }
                () = faults.until_away() => {}
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
}
