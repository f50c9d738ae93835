//! Looking out for the end of another relay.
//!
//! Every relay holds a lock for as long as its session lives, and its neighbour waits for that lock: a
//! relay that is killed is noticed at once, at the cost of one statement every ten seconds. Who notices
//! rings for all.

use std::{sync::Arc, time::Duration};

use event_bus::outbox::ownership;
use tokio::sync::watch::Receiver;
use uuid::Uuid;

use super::{Source, Trouble, listen::Bells, within};

/// How long one statement waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long after an end, or a failure, to look out again.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks out for the neighbour, whoever that is, for ever.
pub(crate) async fn watch(source: Arc<Source>, mut neighbour: Receiver<Option<Uuid>>, bells: Arc<Bells>) {
    loop {
        let relay_id = *neighbour.borrow_and_update();
        let watching = async {
            match relay_id {
                Some(relay_id) => watch_one(&source, relay_id, &bells).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = watching => {
                if let Err(trouble) = ended {
                    tracing::debug!(database = source.name, %trouble, "not looking out for another relay");
                }
                tokio::time::sleep(PAUSE).await;
            }
            changed = neighbour.changed() => if changed.is_err() { return },
        }
    }
}

/// Returns when the relay's session has ended.
async fn watch_one(source: &Source, relay_id: Uuid, bells: &Bells) -> Result<(), Trouble> {
    let mut session = source.connect().await?;
    let failed = |error| Trouble::Failed { doing: "look out for another relay", error };
    within("look out patiently", ownership::be_patient(session.connection(), PATIENCE)).await?;
    loop {
        let outlives = ownership::outlives(session.connection(), relay_id);
        let silent = |_| Trouble::Silent { doing: "look out for another relay", after: PATIENCE * 2 };
        if tokio::time::timeout(PATIENCE * 2, outlives).await.map_err(silent)?.map_err(failed)? {
            bells.relay_left.notify_one();
            return within("tell other relays", ownership::announce_end(session.connection())).await;
        }
    }
}
