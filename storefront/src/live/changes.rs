//! Word of what visitors change through this process.

use tokio::sync::broadcast;

/// Changes that a slow stream can lag behind; one that lags further only refreshes once for all of them.
const BACKLOG: usize = 256;

/// Tells the open pages of a buyer that another of their pages has changed the cart.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<String>);

impl Changes {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    /// Says that this buyer's cart has changed.
    pub fn announce(&self, buyer: &str) {
        // An error only means that no page is open.
        if self.0.send(buyer.to_owned()).is_err() {
            tracing::trace!("no page is open");
        }
    }

    /// Listens to the changes of all buyers from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<String> {
        self.0.subscribe()
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
