//! Who asks, and which orders are theirs.

use actix_web::http::StatusCode;
use service_kit::auth::{Identity, Scope};
use service_kit::problem::Problem;

use super::BuyerId;
use super::model::BuyerIdError;

/// The right to ship orders, and so to see everybody's.
#[derive(Debug, Clone)]
pub(super) struct OrdersShip;

impl Scope for OrdersShip {
    const NAME: &'static str = "orders:ship";
}

/// The caller as a buyer; 403 if their token's subject can be none.
pub(super) fn buyer(identity: &Identity) -> Result<BuyerId, Problem> {
    identity.subject.parse().map_err(|error: BuyerIdError| {
        Problem::new(StatusCode::FORBIDDEN, "not-a-buyer", "the token's subject can have no orders")
            .detail(format!("the token's claim sub is no buyer's id: {error}"))
    })
}

pub(super) fn no_such_order() -> Problem {
    Problem::not_found("there is no such order, or it is not yours")
}

/// Whether the caller sees everybody's orders.
pub(super) fn sees_all(identity: &Identity) -> bool {
    ["ops", OrdersShip::NAME].into_iter().any(|scope| identity.scopes.contains(scope))
}
