//! When to look into the log again: a notification, or the next poll.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::sync::Notify;

use super::Source;

/// The pause after the first look that found nothing; it doubles with each further one.
const SHORTEST: Duration = Duration::from_millis(25);

/// The longest pause: what a lost notification costs, and one query a second at rest.
const LONGEST: Duration = Duration::from_secs(1);

/// How long to wait before listening again on a connection that failed.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long a listener may hear nothing before it is replaced.
const SILENCE: Duration = Duration::from_mins(2);

/// Ends a worker's pause.
pub(crate) struct WakeUp {
    notified: Arc<Notify>,
    listening: Option<tokio::task::JoinHandle<()>>,
    pause: Duration,
}

impl WakeUp {
    /// Starts to listen for what producers ring after a commit, where the source allows it.
    pub(crate) fn start(source: &Arc<Source>) -> Self {
        let notified = Arc::new(Notify::new());
        let listening =
            source.notifications.then(|| tokio::spawn(listen(Arc::clone(source), Arc::clone(&notified))));
        Self { notified, listening, pause: SHORTEST }
    }

    /// There was something: look again soon.
    pub(crate) fn reset(&mut self) {
        self.pause = SHORTEST;
    }

    /// Waits for a notification, or for the poll interval, which grows while nothing happens.
    pub(crate) async fn wait(&mut self) {
        let notified = tokio::time::timeout(self.pause, self.notified.notified()).await.is_ok();
        self.pause = if notified { SHORTEST } else { (self.pause * 2).min(LONGEST) };
    }
}

impl Drop for WakeUp {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// Listens for ever. A gap in listening is no loss: polling goes on meanwhile.
async fn listen(source: Arc<Source>, notified: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&source, &notified).await {
            tracing::debug!(database = source.name, %error, "not listening; polling meanwhile");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen_once(source: &Source, notified: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&source.pool).await?;
    listener.listen(event_bus::outbox::CHANNEL).await?;
    loop {
        // A connection that was cut says nothing, for ever: after a long silence a new one is made.
        let heard = tokio::time::timeout(SILENCE, listener.try_recv()).await;
        notified.notify_one();
        let still_there = heard.unwrap_or(Ok(None))?.is_some();
        if !still_there {
            return Ok(());
        }
    }
}
