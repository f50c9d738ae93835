//! What the server does wrong when it is told to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use utoipa::ToSchema;

/// A kind of fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// All is well.
    #[default]
    None,
    /// Each recipient is refused with a code.
    Refuse,
    /// A mail is read, not kept, and never answered.
    Hang,
    /// A mail is kept, and the connection ends without an answer.
    Die,
    /// Open connections end at once, and each new one before the greeting.
    Away,
}

/// A fault, and how often it happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fault {
    /// What happens.
    #[schema(inline)]
    #[serde(rename = "fault")]
    pub(crate) kind: Kind,
    /// The code of a refusal, 400 to 599. Default 451.
    pub(crate) code: Option<u16>,
    /// How often. Default: until there is another fault, or none.
    pub(crate) times: Option<u32>,
}

/// The fault of a server.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    now: Mutex<Fault>,
    changed: Notify,
}

impl Faults {
    /// The fault, with the times that are left.
    pub(crate) fn now(&self) -> Fault {
        self.lock().clone()
    }

    /// Has this happen from now on. What hangs goes on.
    pub(crate) fn set(&self, fault: Fault) {
        *self.lock() = fault;
        self.changed.notify_waiters();
    }

    /// Whether this kind of fault is to happen now; counts that it does.
    pub(crate) fn take(&self, kind: Kind) -> Option<Fault> {
        let mut now = self.lock();
        if now.kind != kind {
            return None;
        }
        let taken = now.clone();
        if let Some(times) = &mut now.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                *now = Fault::default();
            }
        }
        Some(taken)
    }

    /// Waits until the server is away.
    pub(crate) async fn until_away(&self) {
        loop {
            let changed = self.changed();
            if self.lock().kind == Kind::Away {
                return;
            }
            changed.await;
        }
    }

    /// Waits until another fault is set, from now on.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Fault> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
