//! What a worker has under way beside each other: one statement about ownership, one about the log, and what is
//! on its way to the broker.

pub(super) mod broker;
pub(super) mod log;
pub(super) mod ownership;
pub(super) mod session;

use futures_util::future::BoxFuture;

use self::session::Session;
use super::Trouble;

type Work<T> = BoxFuture<'static, (Session, Result<T, Trouble>)>;

/// A session that does one thing at a time, beside everything else that its owner does.
///
/// When it is dropped in the middle of a statement, the session is gone with it: nobody finds the answer
/// to that statement on it later.
pub(crate) struct Lane<T> {
    idle: Option<Session>,
    work: Option<Work<T>>,
}

impl<T> Lane<T> {
    pub(crate) fn closed() -> Self {
        Self { idle: None, work: None }
    }

    pub(crate) fn open(&mut self, session: Session) {
        *self = Self { idle: Some(session), work: None };
    }

    /// Begins with something; without a session, or while something else is under way, nothing happens.
    pub(crate) fn begin<W>(&mut self, work: impl FnOnce(Session) -> W)
    where
        W: Future<Output = (Session, Result<T, Trouble>)> + Send + 'static,
    {
        if let Some(session) = self.idle.take() {
            self.work = Some(Box::pin(work(session)));
        }
    }

    /// What came of it. Waits for ever while there is nothing under way; can be dropped and called again.
    pub(crate) async fn ended(&mut self) -> Result<T, Trouble> {
        let Some(work) = &mut self.work else { return std::future::pending().await };
        let (session, outcome) = work.await;
        self.work = None;
        self.idle = Some(session);
        outcome
    }
}
