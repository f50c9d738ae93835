//! What producers and other relays ring.

use std::{sync::Arc, time::Duration};

use event_bus::outbox::{CHANNEL, RELAYS_CHANNEL};
use sqlx::postgres::PgListener;
use tokio::sync::Notify;

use super::{Source, Trouble, within};

/// How long to wait before listening again on a connection that failed.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long a listener may hear nothing before it is replaced.
const SILENCE: Duration = Duration::from_mins(2);

/// The bells. A ring that nobody waits for yet is kept, and several are one.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// There may be something new in the log.
    pub(crate) committed: Notify,
    /// A relay has gone.
    pub(crate) relay_left: Notify,
}

/// Listens for ever. A gap in listening is no loss: polling goes on meanwhile.
pub(crate) async fn listen(source: Arc<Source>, bells: Arc<Bells>) {
    loop {
        if let Err(trouble) = listen_once(&source, &bells).await {
            tracing::debug!(database = source.name, %trouble, "not listening; polling meanwhile");
            tokio::time::sleep(RECONNECT).await;
        }
    }
}

async fn listen_once(source: &Source, bells: &Bells) -> Result<(), Trouble> {
    let mut listener = within("connect to listen", PgListener::connect_with(&source.pool)).await?;
    within("listen", listener.listen_all([CHANNEL, RELAYS_CHANNEL])).await?;
    // What was rung while nobody listened.
    bells.committed.notify_one();
    bells.relay_left.notify_one();
    loop {
        // A connection that was cut says nothing, for ever: after a long silence a new one is made.
        let heard = tokio::time::timeout(SILENCE, listener.try_recv()).await;
        match heard.unwrap_or(Ok(None)).map_err(|error| Trouble::Failed { doing: "listen", error })? {
            Some(ring) if ring.channel() == RELAYS_CHANNEL => bells.relay_left.notify_one(),
            Some(_) => bells.committed.notify_one(),
            None => return Ok(()),
        }
    }
}
