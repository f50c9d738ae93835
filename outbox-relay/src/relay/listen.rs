//! Notifications from producers and from other relays.

use std::{sync::Arc, time::Duration};

use event_bus::relay;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;

use crate::{
    source::Source,
    store::{StoreError, ownership, within},
};

/// The pause before a failed listener is replaced.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long a listener may receive nothing before it is replaced: a cut connection gives no error.
const SILENCE: Duration = Duration::from_mins(2);

/// The wake-ups of a worker. One that arrives while the worker is busy is kept, and several count as one.
#[derive(Debug, Default)]
pub(crate) struct WakeUps {
    /// There may be new events in the log.
    pub(crate) committed: Notify,
    /// Another relay has ended.
    pub(crate) peer_left: Notify,
}

/// Listens without end. A gap loses nothing, because the worker polls as well.
pub(crate) async fn listen(source: Arc<Source>, wake_ups: Arc<WakeUps>) {
    loop {
        if let Err(error) = listen_once(&source, &wake_ups).await {
            tracing::debug!(database = source.name, %error, "not listening; polling only");
            tokio::time::sleep(RECONNECT).await;
        }
    }
}

async fn listen_once(source: &Source, wake_ups: &WakeUps) -> Result<(), StoreError> {
    let mut listener = within("connect to listen", PgListener::connect_with(&source.pool)).await?;
    within("listen", listener.listen_all([relay::CHANNEL, ownership::CHANNEL])).await?;
    // Notifications may have been missed before this moment.
    wake_ups.committed.notify_one();
    wake_ups.peer_left.notify_one();
    loop {
        let received = tokio::time::timeout(SILENCE, listener.try_recv()).await.unwrap_or(Ok(None));
        match received.map_err(|error| StoreError::Failed { doing: "listen", error, is_passing: true })? {
            Some(notification) if notification.channel() == ownership::CHANNEL => {
                wake_ups.peer_left.notify_one();
            }
            Some(_) => wake_ups.committed.notify_one(),
            None => return Ok(()),
        }
    }
}
