//! Notices the end of another relay.
//!
//! Every relay holds a lock while its session lives, and one peer waits for that lock. The end of a killed relay
//! is noticed at once, at the cost of one statement every ten seconds. The peer then notifies all relays.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch::Receiver;
use uuid::Uuid;

use super::listen::WakeUps;
use crate::{
    source::Source,
    store::{StoreError, ownership, within, within_time},
};

/// How long one statement waits for the lock.
const WAIT: Duration = Duration::from_secs(10);

/// The pause after an end or a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Monitors the current peer, without end.
pub(crate) async fn run(source: Arc<Source>, mut peer: Receiver<Option<Uuid>>, wake_ups: Arc<WakeUps>) {
    loop {
        let relay_id = *peer.borrow_and_update();
        let monitoring = async {
            match relay_id {
                Some(relay_id) => monitor(&source, relay_id, &wake_ups).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = monitoring => {
                if let Err(error) = ended {
                    tracing::debug!(database = source.name, %error, "the peer monitor failed; will start again");
                }
                tokio::time::sleep(PAUSE).await;
            }
            changed = peer.changed() => if changed.is_err() { return },
        }
    }
}

/// Returns when the relay's session has ended.
async fn monitor(source: &Source, relay_id: Uuid, wake_ups: &WakeUps) -> Result<(), StoreError> {
    let mut session = source.connect().await?;
    within("limit the waits of the peer monitor", ownership::limit_waits(&mut session, WAIT)).await?;
    loop {
        let ended = ownership::peer_ended(&mut session, relay_id);
        if within_time(WAIT * 2, "monitor another relay", ended).await? {
            wake_ups.peer_left.notify_one();
            return within("notify other relays", ownership::notify_ended(&mut session)).await;
        }
    }
}
