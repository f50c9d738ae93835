//! Any JSON where a payload of an event or a request's body belongs.
#![no_main]

use basket_api::subscriptions::{AddProduct, RemoveProduct, RepriceBaskets, UpdateProduct};
use catalog_api::products::{Details, Price, PriceChange};
use event_bus::BatchHandler;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    payload(&AddProduct, json);
    payload(&RepriceBaskets, json);
    payload(&UpdateProduct, json);
    payload(&RemoveProduct, json);
    if let Ok(change) = serde_json::from_slice::<PriceChange>(json) {
        check(change.price);
    }
    if let Ok(details) = serde_json::from_slice::<Details>(json) {
        check(details.price);
        assert!(!details.name.as_str().trim().is_empty());
        for text in [details.name.as_str(), details.description.as_str()] {
            assert!(!text.contains('\0'), "PostgreSQL stores no NUL");
        }
        drop(details.check());
    }
});

fn payload<H: BatchHandler>(_: &H, json: &[u8]) {
    drop(serde_json::from_slice::<H::Payload>(json));
}

/// A price is positive, in whole cents, and written as it is read.
fn check(price: Price) {
    let amount = price.amount();
    assert!(amount.is_sign_positive() && !amount.is_zero() && amount.scale() <= 2, "{amount}");
    assert!(amount.to_string().len() <= "9999999.99".len(), "{amount}");
    let written = serde_json::to_vec(&price).expect("a price can be written");
    assert_eq!(serde_json::from_slice::<Price>(&written).expect("and read"), price);
}
