//! Who asks, and which orders are theirs.

use service_kit::auth::{Identity, Scope};
use service_kit::problem::Problem;

/// The right to ship orders, and so to see everybody's.
#[derive(Debug, Clone)]
pub(super) struct OrdersShip;

impl Scope for OrdersShip {
    const NAME: &'static str = "orders:ship";
}

pub(super) fn no_such_order() -> Problem {
    Problem::not_found("there is no such order, or it is not yours")
}

/// Whether the caller sees everybody's orders.
pub(super) fn sees_all(identity: &Identity) -> bool {
    ["ops", OrdersShip::NAME].into_iter().any(|scope| identity.scopes.contains(scope))
}
