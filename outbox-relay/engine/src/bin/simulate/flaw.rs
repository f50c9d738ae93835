//! Promises that a test can break on purpose.

/// A promise that a part of the world breaks, so that a test can see the checks detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only the tests break promises"))]
pub(crate) enum Flaw {
    /// Events are marked published when they are sent.
    MarksUnconfirmed,
    /// The broker confirms what it does not keep.
    ConfirmsAndLoses,
    /// A position counts as decided when a later one was seen, whatever transactions are open.
    TrustsPositions,
    /// Polls do not report that a failed event was requeued.
    IgnoresRequeues,
    /// A channel that is closed fails everything that was in flight on it.
    BlamesAll,
    /// A channel that is closed counts as a lost connection.
    BlamesConnection,
    /// A full queue makes all events wait.
    PausesEverything,
    /// A relay without a broker takes partitions.
    OwnsWithoutBroker,
    /// Polls do not tell of scheduled events.
    ForgetsScheduled,
    /// Scheduled events are moved before their time.
    MovesEarly,
    /// A scheduled event that was moved is not deleted.
    MovesTwice,
}
