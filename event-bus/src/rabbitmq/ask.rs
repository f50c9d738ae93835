//! Calls that the broker may refuse, each on a channel of its own: a refusal closes the channel.

use lapin::{
    Channel, ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};

use super::connection::{BrokerError, Connected, deadline};

/// What the broker says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer<T> {
    /// It is done.
    Done(T),
    /// What it is about does not exist.
    Absent,
    /// The user may not. From 4.2.6 on a user without any right on an object may not even ask whether it exists.
    Refused,
}

/// Makes a call on a channel of its own.
pub(super) async fn ask<T>(
    connected: &Connected,
    doing: &'static str,
    call: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
) -> Result<Answer<T>, BrokerError> {
    let channel = deadline("open a channel", connected.create_channel()).await?;
    let error = match deadline(doing, call(&channel)).await {
        Ok(done) => {
            deadline("close a channel", channel.close(200, "OK".into())).await?;
            return Ok(Answer::Done(done));
        }
        Err(error) => error,
    };
    match error.amqp().and_then(soft) {
        Some(AMQPSoftError::NOTFOUND) => Ok(Answer::Absent),
        Some(AMQPSoftError::ACCESSREFUSED) => Ok(Answer::Refused),
        _ => Err(error),
    }
}

/// Maps the error that an object is missing to `None`.
pub(super) async fn absent_as_none<T>(
    call: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<Option<T>, lapin::Error> {
    match call.await {
        Ok(value) => Ok(Some(value)),
        Err(error) if soft(&error) == Some(AMQPSoftError::NOTFOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error that closes a channel and leaves the connection open, if it is one.
fn soft(error: &lapin::Error) -> Option<AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(problem) => match problem.kind() {
            AMQPErrorKind::Soft(kind) => Some(kind.clone()),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
