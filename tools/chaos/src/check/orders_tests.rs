//! Each invariant fails for what it is there for.

use super::*;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// An order of two pieces of product 20 that is paid, and a cancelled one whose charge was given back.
fn well() -> Orders {
    let paid = order(1, "paid", &["submitted", "awaiting_stock", "stock_confirmed", "paid"]);
    let cancelled = order(2, "cancelled", &["submitted", "awaiting_stock", "stock_confirmed", "cancelled"]);
    let stock = |available| vec![Stock { product: 20, available, reserved: 0 }];
    let charge =
        |n, is_refunded| Charge { order: id(n).to_string(), amount: "10.00".to_owned(), is_refunded };
    let purchase = |order: &Order| Purchase {
        buyer: order.buyer.clone(),
        order: order.id,
        total: order.total.clone(),
        cart: Some(vec![(64, 1)]),
        is_cancelled: order.status == "cancelled",
    };
    let orders = vec![paid, cancelled];
    let events = orders.iter().flat_map(|order| {
        let told = |event: &str, event_id| Logged {
            event_id,
            event_type: event.to_owned(),
            key: order.id.to_string(),
            position: 1,
            state: "Published".to_owned(),
            step: None,
        };
        let caused = order.history.iter().map(move |(status, event)| told(status, *event));
        let telling =
            TELLING.iter().filter(|(status, _)| order.history.iter().any(|(known, _)| known == status));
        caused.chain(telling.map(move |(_, event)| told(event, Uuid::nil())))
    });
    Orders {
        purchases: orders.iter().map(purchase).collect(),
        logs: vec![events.collect()],
        charges: vec![charge(1, false), charge(2, true)],
        stock: (stock(10), stock(8)),
        carts: orders.iter().map(|order| (order.buyer.clone(), vec![(64, 1)])).collect(),
        placed: orders,
        ..Orders::default()
    }
}

fn order(n: u128, status: &str, way: &[&str]) -> Order {
    let history = way.iter().zip(1..).map(|(status, event)| ((*status).to_owned(), id(100 * n + event)));
    Order {
        id: id(n),
        buyer: format!("buyer-{n}"),
        status: status.to_owned(),
        total: "10.00".to_owned(),
        items: vec![(20, 2)],
        history: history.collect(),
    }
}

fn found(spoil: impl FnOnce(&mut Orders)) -> Vec<String> {
    let mut orders = well();
    spoil(&mut orders);
    let mut findings = Findings::default();
    check_orders(&orders, &mut findings);
    assert_eq!(findings.found.orders_broken, findings.violations.len());
    findings.violations
}

/// Expects that this, and nothing else, is said.
fn is_noticed(check: &str, spoil: impl FnOnce(&mut Orders)) {
    let found = found(spoil);
    assert!(found.len() == 1 && found[0].starts_with(check), "{found:?}");
}

#[test]
fn orders_that_came_to_a_good_end_break_nothing() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn an_order_that_was_promised_and_is_not_there_is_noticed() {
    is_noticed("orders, promised otherwise", |orders| orders.purchases[0].order = id(9));
}

#[test]
fn another_total_than_agreed_is_noticed() {
    is_noticed("orders, promised otherwise", |orders| orders.purchases[0].total = "9.00".to_owned());
}

#[test]
fn a_cancellation_that_was_promised_and_not_kept_is_noticed() {
    is_noticed("orders, promised otherwise", |orders| orders.purchases[0].is_cancelled = true);
}

#[test]
fn an_order_without_a_final_status_is_noticed() {
    let found = found(|orders| {
        orders.placed[0].status = "stock_confirmed".to_owned();
        orders.placed[0].history.pop();
    });
    assert!(found.iter().any(|text| text.starts_with("orders, no final status")), "{found:?}");
}

#[test]
fn a_piece_too_many_or_too_few_is_noticed() {
    is_noticed("orders, stock is not what there was", |orders| orders.stock.1[0].available = 10);
    is_noticed("orders, stock is not what there was", |orders| orders.stock.1[0].available = 7);
}

#[test]
fn what_is_reserved_for_no_open_order_is_noticed() {
    is_noticed("orders, reserved for nobody", |orders| {
        (orders.stock.1[0].available, orders.stock.1[0].reserved) = (6, 2);
    });
}

#[test]
fn a_second_charge_is_noticed_also_if_it_was_given_back() {
    is_noticed("orders, charged more than once", |orders| {
        let again = Charge { is_refunded: true, ..orders.charges[0].clone() };
        orders.charges.push(again);
    });
}

#[test]
fn a_paid_order_without_its_charge_and_a_cancelled_one_with_it_are_noticed() {
    is_noticed("orders, charged wrongly", |orders| orders.charges.truncate(0));
    is_noticed("orders, charged wrongly", |orders| orders.charges[1].is_refunded = false);
    is_noticed("orders, charged wrongly", |orders| orders.charges[0].amount = "9.99".to_owned());
}

#[test]
fn a_cart_with_what_was_ordered_or_without_what_came_later_is_noticed() {
    is_noticed("orders, another cart", |orders| orders.carts.clear());
    is_noticed("orders, another cart", |orders| {
        orders.carts.values_mut().for_each(|cart| cart.push((20, 2)));
    });
}

#[test]
fn a_history_with_a_gap_or_without_its_event_is_noticed() {
    is_noticed("orders, history is not possible", |orders| {
        orders.placed[0].history.swap(1, 2);
    });
    is_noticed("orders, history is not possible", |orders| orders.placed[0].history[1].1 = id(7));
}

#[test]
fn a_change_may_have_an_event_that_a_restored_log_has_lost() {
    let found = found(|orders| {
        orders.placed[0].history[1].1 = id(7);
        orders.undone.insert(id(7));
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_change_that_is_told_twice_or_never_is_noticed() {
    let is_paid = |row: &Logged| row.event_type == "shop.ordering.order_paid.v1";
    is_noticed("orders, told otherwise than once", |orders| {
        let again = orders.logs[0].iter().find(|row| is_paid(row)).cloned();
        orders.logs[0].extend(again);
    });
    is_noticed("orders, told otherwise than once", |orders| orders.logs[0].retain(|row| !is_paid(row)));
}

#[test]
fn a_timer_that_went_off_twice_is_noticed() {
    is_noticed("orders, a timer went off again", |orders| {
        let timer = Logged { event_type: TIMERS[0].to_owned(), ..orders.logs[0][0].clone() };
        orders.logs[0].extend([timer.clone(), timer]);
    });
}

#[test]
fn one_key_that_placed_two_orders_is_noticed() {
    let found = found(|orders| orders.placed[1].buyer = orders.placed[0].buyer.clone());
    assert!(found.iter().any(|text| text.starts_with("orders, one key placed several")), "{found:?}");
}
