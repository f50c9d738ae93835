//! What other services and clients may rely on.

use event_bus::Handler;
use notifier::subscriptions::{
    ConfirmOrder, ForgetUser, NoteProof, SayCancelled, SayShipped, SayTaken, SendDigest, Welcome,
};
use serde_json::{Value, json};

fn contract(name: &str) -> String {
    let path = format!("{}/../contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn reads<H: Handler>() {
    let golden = contract(&format!("{}.json", H::EVENT_TYPE));
    assert!(serde_json::from_str::<H::Payload>(&golden).is_ok(), "{}", H::EVENT_TYPE);
}

#[test]
fn the_events_of_the_contracts_are_read() {
    reads::<ConfirmOrder>();
    reads::<SayCancelled>();
    reads::<SayShipped>();
    reads::<Welcome>();
    reads::<NoteProof>();
    reads::<SayTaken>();
    reads::<ForgetUser>();
    reads::<SendDigest>();
}

#[test]
fn the_openapi_document_is_the_one_that_is_published() {
    let published: Value = serde_json::from_str(&contract("openapi/notifier.json")).unwrap();
    assert!(
        published == json!(notifier::app().document()),
        "the document has changed; if that is meant: \
         cargo run --bin notifier -- openapi > contracts/openapi/notifier.json"
    );
}
