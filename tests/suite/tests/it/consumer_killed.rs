//! The consumer is killed at each point of its way.
#![cfg(feature = "crash-points")]

use suite_tests::{Buyer, Merchant, Suite};

async fn survives(point: &str) {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let merchant = Merchant::of(&catalog);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    merchant.price(7, "40.00").await;
    alice.until_price("40.00").await;
    drop(basket);

    let mut doomed = suite.start_basket(&catalog, &[("CRASH_POINT", point)]);
    for price in ["41.00", "42.00", "43.00"] {
        merchant.price(7, price).await;
    }
    let status = doomed.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "killed at {point}");

    let basket = suite.start_basket(&catalog, &[]);
    let alice = Buyer::of(&basket, "alice");
    alice.until_price("43.00").await;
    let told: Vec<String> = alice.until_alerts(4).await.into_iter().map(|(_, new)| new).collect();
    assert_eq!(told, ["43.00", "42.00", "41.00", "40.00"], "each once after {point}");
    drop(relay);
}

macro_rules! killed {
    ($($name:ident: $point:literal;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                survives($point).await;
            }
        )*
    };
}

killed! {
    killed_after_the_delivery_each_alert_appears_once: "consumer.after_delivery";
    killed_after_the_inbox_row_each_alert_appears_once: "consumer.after_inbox";
    killed_before_the_commit_each_alert_appears_once: "consumer.before_commit";
    killed_between_commit_and_acknowledgement_each_alert_appears_once: "consumer.after_commit";
    killed_after_the_acknowledgement_each_alert_appears_once: "consumer.after_ack";
}
