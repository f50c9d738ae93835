//! The connections of a worker: one for statements about ownership, one for statements about the log, and one to
//! the broker. They work side by side.

pub(super) mod broker;
pub(super) mod log;
pub(super) mod ownership;

use futures_util::future::BoxFuture;

use crate::store::{Session, StoreError};

type Work<T> = BoxFuture<'static, (Session, Result<T, StoreError>)>;

/// A session that runs one statement at a time, beside everything else that the worker does.
///
/// When it is dropped during a statement the session is closed with it, so no later reader finds the answer to
/// that statement.
pub(crate) struct ConnectionTask<T> {
    idle: Option<Session>,
    work: Option<Work<T>>,
}

impl<T> ConnectionTask<T> {
    pub(crate) fn closed() -> Self {
        Self { idle: None, work: None }
    }

    pub(crate) fn open(&mut self, session: Session) {
        *self = Self { idle: Some(session), work: None };
    }

    /// Starts a statement. Does nothing without a session, or while another statement is running.
    pub(crate) fn start<W>(&mut self, work: impl FnOnce(Session) -> W)
    where
        W: Future<Output = (Session, Result<T, StoreError>)> + Send + 'static,
    {
        if let Some(session) = self.idle.take() {
            self.work = Some(Box::pin(work(session)));
        }
    }

    /// The outcome of the running statement; never returns while there is none. Can be dropped and called again.
    pub(crate) async fn finished(&mut self) -> Result<T, StoreError> {
        let Some(work) = &mut self.work else { return std::future::pending().await };
        let (session, outcome) = work.await;
        self.work = None;
        self.idle = Some(session);
        outcome
    }
}
