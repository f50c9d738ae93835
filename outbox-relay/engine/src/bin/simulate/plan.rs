//! What happens in a schedule.

use relay_engine::Action;
use uuid::Uuid;

use crate::relay::Input;

/// Something that happens. `Answer` is what the database says to a statement: it reaches nobody if the relay has given up
/// the session.
pub(crate) enum Plan {
    Deliver { relay: usize, process: u64, input: Input },
    Answer { relay: usize, process: u64, session: u64, input: Input },
    Execute { relay: usize, process: u64, session: u64, action: Action },
    Arrive { connection: u64, channel: u64, id: Uuid, relay: usize, process: u64 },
    Write,
    End { index: usize, commit: bool },
    Fault,
    Start { relay: usize },
    Thaw { relay: usize, process: u64 },
    SessionEnds { session: u64 },
    BrokerReturns,
    DatabaseReturns,
    Unblock,
    Operate,
    Permit { event_type: &'static str },
    Drain { event_type: &'static str },
    Inspect,
}
