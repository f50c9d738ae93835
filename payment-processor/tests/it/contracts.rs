//! What other services and clients may rely on.

use event_bus::Event;
use payment_processor::payments::events::{Payment, PaymentFailed, PaymentRefunded, PaymentSucceeded};
use serde_json::{Value, json};

fn contract(name: &str) -> String {
    let path = format!("{}/../contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn check<E: Event>(make: fn(Payment) -> E) {
    let golden: Value = serde_json::from_str(&contract(&format!("{}.json", E::TYPE))).unwrap();
    let payment = Payment {
        order_id: serde_json::from_value(golden["orderId"].clone()).unwrap(),
        payment_id: serde_json::from_value(golden["paymentId"].clone()).unwrap(),
        amount: serde_json::from_value(golden["amount"].clone()).unwrap(),
        currency: serde_json::from_value(golden["currency"].clone()).unwrap(),
        reason: serde_json::from_value(golden["reason"].clone()).unwrap(),
        version: 1,
    };
    let event = make(payment);
    assert_eq!(json!(event), golden, "{}", E::TYPE);
    assert_eq!(event.key(), golden["orderId"]);
}

#[test]
fn the_events_are_those_of_the_contracts() {
    check(PaymentSucceeded);
    check(PaymentFailed);
    check(PaymentRefunded);
}

#[test]
fn the_openapi_document_is_the_one_that_is_published() {
    let published: Value = serde_json::from_str(&contract("openapi/payment-processor.json")).unwrap();
    assert!(
        published == json!(payment_processor::app().document()),
        "the document has changed; if that is meant: \
         cargo run --bin payment-processor -- openapi > contracts/openapi/payment-processor.json"
    );
}
