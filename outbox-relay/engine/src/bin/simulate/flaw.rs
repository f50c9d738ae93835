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
}
