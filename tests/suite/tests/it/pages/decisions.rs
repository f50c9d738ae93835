//! What an operator decides in the control room, and the effect of it.

use std::time::Duration;

use serde_json::Value;
use suite_tests::{Buyer, browser::Page};
use test_kit::eventually;

use super::{
    Shop,
    control_room::{operator, with_control_room},
};

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(30);

const PRICED: &str = "shop.catalog.product_price_changed.v1";

/// Has every price change fail at the basket, as a mistake in a handler would.
const BREAK: &str = "create function broken() returns trigger language plpgsql as
    $$ begin raise exception 'the alerts are being repaired'; end $$;
    create trigger broken before insert on alert for each row execute function broken()";

const REPAIR: &str = "drop trigger broken on alert";

/// A shop in which the price change of these products has failed at the basket for good.
async fn with_blocked(products: &[i64]) -> (Shop, Buyer) {
    let mut shop = with_control_room(&[]).await;
    // One try, and the event waits for an operator.
    let tries = [("APP__CONSUMER__MAX_ATTEMPTS", "1")];
    shop.basket = shop.suite.start_basket(&shop.catalog, &tries);
    let relay = shop.relay.as_ref().unwrap().url.clone();
    shop.storefront =
        shop.suite.start_storefront(&shop.catalog, &shop.basket, &[("APP__RELAY__URL", relay.as_str())]);
    shop.basket.until_ready(true).await;
    let alice = shop.buyer("alice");
    for product in products {
        alice.takes(*product, 1).await;
    }
    sqlx::raw_sql(BREAK).execute(&shop.suite.basket.pool).await.unwrap();
    for product in products {
        shop.merchant().price(*product, "123.45").await;
    }
    eventually("they are blocked", LONG, async || {
        let blocked = "select count(*) from inbox_waiting where blocked_at is not null";
        let blocked: i64 = sqlx::query_scalar(blocked).fetch_one(&shop.suite.basket.pool).await.unwrap();
        (blocked == i64::try_from(products.len()).unwrap()).then_some(())
    })
    .await;
    (shop, alice)
}

async fn repair(shop: &Shop) {
    sqlx::raw_sql(REPAIR).execute(&shop.suite.basket.pool).await.unwrap();
}

fn nothing_went_wrong(page: &Page) {
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!(page.barriers(), Vec::<String>::new());
}

#[tokio::test]
async fn an_operator_requeues_a_blocked_key_and_sees_its_effect() {
    let (shop, alice) = with_blocked(&[7]).await;
    let page = operator(&shop);
    page.goto("/ops");
    page.see("#blocked", "1 key waits for you");
    page.click("#to-waiting");
    page.see(".dead-letter .fault", "the alerts are being repaired");
    page.see("#waiting-basket .facts", "for you, since");
    repair(&shop).await;
    page.click("#waiting-basket .decide .primary");
    page.see(".strip.good", "tried again");
    alice.until_price("123.45").await;
    eventually("it waits no more", LONG, async || {
        page.goto("/ops/waiting");
        page.text("#waiting-basket").contains("There are none").then_some(())
    })
    .await;
    nothing_went_wrong(&page);
}

#[tokio::test]
async fn an_operator_skips_an_event_with_a_reason_and_later_ones_have_their_effect() {
    let (shop, alice) = with_blocked(&[7]).await;
    let page = operator(&shop);
    page.goto("/ops/waiting");
    repair(&shop).await;
    page.fill("#basket-reason-1", "the price was a mistake");
    page.click("#waiting-basket .decide .danger");
    page.see(".strip.good", "skipped");
    let kept: (String, String) =
        sqlx::query_as("select skipped_by, skip_reason from inbox where skipped_at is not null")
            .fetch_one(&shop.suite.basket.pool)
            .await
            .unwrap();
    assert_eq!(kept, ("olga".to_owned(), "the price was a mistake".to_owned()));
    shop.merchant().price(7, "99.00").await;
    alice.until_price("99.00").await;
    nothing_went_wrong(&page);
}

#[tokio::test]
async fn many_keys_are_counted_first_and_then_requeued_at_once() {
    let (shop, alice) = with_blocked(&[7, 8, 9]).await;
    let page = operator(&shop);
    page.goto("/ops/waiting");
    page.click("text=Requeue many…");
    page.see("[role=alert]", "Say which");
    page.goto("/ops/waiting");
    page.fill("#basket-bulk-type", PRICED);
    page.click("text=Requeue many…");
    page.see("#would", "3 keys that wait of Basket of type");
    page.see("#would", "would be requeued");
    let blocked = "select count(*) from inbox_waiting where blocked_at is not null";
    let count: i64 = sqlx::query_scalar(blocked).fetch_one(&shop.suite.basket.pool).await.unwrap();
    assert_eq!(count, 3, "a dry run changes nothing");
    nothing_went_wrong(&page);
    repair(&shop).await;
    page.click("#do-it");
    page.see("#job h2", "Done");
    page.see("#so-far", "3 keys that wait");
    eventually("all three prices are in the cart", LONG, async || {
        let cart: Value = alice.cart().await;
        let items = cart["items"].as_array().unwrap();
        items.iter().all(|item| item["unitPrice"] == "123.45").then_some(())
    })
    .await;
    nothing_went_wrong(&page);
}

#[tokio::test]
async fn failed_events_and_dead_letters_are_decided_about_in_bulk() {
    let shop = with_control_room(&[]).await;
    let failed = "insert into integration_event_log (event_type, key, payload, state, last_error)
        select 'a.b.v1', i::text, '{}', 'PublishedFailed', 'refused' from generate_series(1, 42) as i";
    sqlx::raw_sql(failed).execute(&shop.suite.catalog.pool).await.unwrap();
    for _ in 0..5 {
        let nonsense = lapin::BasicProperties::default();
        shop.suite.vhost.publish("", "basket.events.dead", b"not an event", nonsense).await;
    }
    let page = operator(&shop);
    page.goto("/ops");
    page.see("#failed", "42 events could not be published");
    page.click("#to-failed");
    page.fill("#failed-bulk-type", "a.b.v1");
    page.click("text=Skip many…");
    page.see("#would", "42 failed events of type “a.b.v1” would be skipped");
    page.fill("#reason", "an import that went wrong");
    page.click("#do-it");
    page.see("#job h2", "Done");
    page.see("#so-far", "42 failed events");
    let skipped: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log where skip_reason = 'an import that went wrong' and skipped_by = 'olga'",
    )
    .fetch_one(&shop.suite.catalog.pool)
    .await
    .unwrap();
    assert_eq!(skipped, 42);

    page.goto("/ops/dead-letters");
    page.check("#basket-bulk-all");
    page.click("text=Discard many…");
    page.see("#would", "5 dead letters of Basket would be discarded");
    page.fill("#reason", "a test");
    page.click("#do-it");
    page.see("#job h2", "Done");
    page.goto("/ops/dead-letters");
    page.see("#dead-letters-basket", "There are none");
    nothing_went_wrong(&page);
}

#[tokio::test]
async fn a_scheduled_event_is_cancelled_from_the_control_room() {
    let shop = with_control_room(&[]).await;
    let schedule = "insert into outbox_scheduled (due, event_type, key, payload)
        values (now() + interval '1 hour', 'a.b.v1', 'soon', '{}'), (now() + interval '2 hours', 'a.b.v1', 'late', '{}')";
    sqlx::raw_sql(schedule).execute(&shop.suite.catalog.pool).await.unwrap();
    let page = operator(&shop);
    page.goto("/ops");
    page.click("text=Scheduled events");
    page.see("#scheduled tbody tr:first-child", "soon");
    nothing_went_wrong(&page);
    page.click("#scheduled tbody tr:first-child button");
    page.see(".strip.good", "never announced");
    page.see("#scheduled tbody tr:first-child", "late");
    let keys: Vec<String> = sqlx::query_scalar("select key from outbox_scheduled")
        .fetch_all(&shop.suite.catalog.pool)
        .await
        .unwrap();
    assert_eq!(keys, ["late"]);
}

#[tokio::test]
async fn a_type_that_is_held_back_is_shown_within_fifteen_seconds() {
    let shop = with_control_room(&[]).await;
    shop.suite.vhost.full("full", PRICED).await;
    let page = operator(&shop);
    page.goto("/ops");
    for product in 1..=5 {
        shop.merchant().price(product, "123.45").await;
    }
    let within = Duration::from_secs(15);
    page.see_within("#held-back", PRICED, within);
    page.see_within("#held-back", "a queue is full", within);
    page.see_within("#summary", "Other types flow", within);
    page.see("#relays dl", "types held back");
    nothing_went_wrong(&page);
    shop.suite.vhost.delete("queues", "/full").await;
    page.see_within("#summary", "All is quiet", LONG);
    page.gone("#held-back table");
}
