//! How many events there are that no queue was bound for.

use std::{sync::Arc, time::Duration};

use event_bus::{BrokerConfig, relay};

use crate::source::Source;

/// How often the broker is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Records it, without end, while the broker answers and the relay's user may look.
pub(crate) async fn watch(sources: &[Arc<Source>], broker: &BrokerConfig) {
    loop {
        // Why the broker does not answer is on the status already.
        let unrouted = relay::unrouted(broker, "outbox-relay (unrouted events)").await.ok().flatten();
        for source in sources {
            source.set_unrouted(unrouted);
        }
        if let Some(messages) = unrouted {
            #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^52 is not to be expected")]
            metrics::gauge!("outbox_unrouted_messages").set(messages as f64);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
