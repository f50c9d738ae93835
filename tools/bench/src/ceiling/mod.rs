//! What the suite is measured against.

mod bare;
mod orders;
mod pgbench;
mod publisher;

pub(crate) use self::bare::{Bare, Change, Effect};
pub(crate) use self::orders::BareOrders;
pub(crate) use self::pgbench::pgbench;
pub(crate) use self::publisher::publish;
