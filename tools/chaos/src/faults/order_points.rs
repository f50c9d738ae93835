//! Every crash point on an order's way: in ordering, where stock is reserved, and in the payments.

use super::{Fault, points::die};
use harness::Name;

/// Declares crash points: the process, the fault's name, the point, how often it is passed at most before the kill, what
/// happens.
macro_rules! points {
    ($($service:ident $name:literal $point:literal $most:literal $about:literal;)*) => {
        faults! { $(points: $name [1, 1, orders] $about => die(Name::$service, $point, $most);)* }
    };
}

pub(super) const FAULTS: &[Fault] = points! {
    ORDERING "ordering.after_order_row" "ordering.after_order_row" 5
        "ordering dies after the order's row, before its event";
    ORDERING "ordering.before_commit" "ordering.before_commit" 5 "ordering dies before a checkout is committed";
    ORDERING "ordering.after_commit" "ordering.after_commit" 5
        "ordering dies after a checkout is committed, before the answer";
    ORDERING "ordering.before_event" "ordering.before_event" 8
        "ordering dies after an order's new status is decided, before the event";
    ORDERING "ordering.after_transition" "ordering.after_transition" 8
        "ordering dies after an order's change and its event, before the commit";
    ORDERING "ordering.after_timer" "ordering.after_timer" 5
        "ordering dies after a timer was handled, before the commit";
    ORDERING "ordering.event_committed" "consumer.after_commit" 3
        "ordering dies after an order's change is committed, before the acknowledgement";
    CATALOG "catalog.stock_reserved" "catalog.stock_reserved" 5
        "the catalog dies after stock was reserved, before the commit";
    CATALOG "catalog.stock_committed" "consumer.after_commit" 3
        "the catalog dies after stock was reserved and committed, before the acknowledgement";
    PAYMENT "payment.row_written" "payment.row_written" 5 "the payments die after the row of work, before the commit";
    PAYMENT "payment.before_call" "payment.before_call" 5 "the payments die before the provider is asked";
    PAYMENT "payment.after_charge" "payment.after_charge" 5
        "the payments die after the provider has charged, before the outcome is recorded";
    PAYMENT "payment.after_commit" "payment.after_commit" 5 "the payments die after the outcome is committed";
};
