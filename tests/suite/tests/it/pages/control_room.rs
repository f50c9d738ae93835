//! What an operator sees while things are being killed, and does about it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::json;
use suite_tests::browser::Page;
use test_kit::{Process, eventually};

use super::Shop;

/// How many failed events there are.
const BULK: &str = "/ops/bulk?what=failed&action=skip&all=true";

/// A shop whose pages have a control room; `settings` are the storefront's, over the usual ones.
pub(super) async fn with_control_room(settings: &[(&str, &str)]) -> Shop {
    let mut shop = Shop::open().await;
    let relay = start_relay(&shop, "0");
    let addresses = [&[("APP__RELAY__URL", relay.url.as_str())], settings].concat();
    shop.storefront = shop.suite.start_storefront(&shop.catalog, &shop.basket, &addresses);
    // The other one goes, so that this is the only one.
    shop.relay = Some(relay);
    shop
}

fn start_relay(shop: &Shop, port: &str) -> Process {
    let basket = ("APP__CONSUMERS__BASKET__URL", shop.suite.basket.url.as_str());
    shop.suite.start_relay(&[("APP__RELAY__NAME", "relay"), ("APP__HTTP__PORT", port), basket])
}

pub(super) fn operator(shop: &Shop) -> Page {
    shop.signed_in("olga", &["operator"])
}

#[tokio::test]
async fn a_killed_relay_and_its_recovery_are_seen_as_they_happen() {
    let mut shop = with_control_room(&[]).await;
    shop.buyer("alice").takes(7, 1).await;
    let page = operator(&shop);
    page.goto("/ops");
    page.see("#summary", "All is quiet");
    page.see("#relays dl div", "alive1");
    eventually("one relay owns everything", Duration::from_secs(20), async || {
        (page.count("#partitions li[class]") == 64).then_some(())
    })
    .await;
    assert_eq!(page.count(".actions button"), 0, "without the tool nothing is killed from here");

    let mut relay = shop.relay.take().unwrap();
    let port = relay.url.rsplit_once(':').unwrap().1.to_owned();
    relay.signal(test_kit::Signal::KILL);
    relay.ended().await;
    page.see("#summary", "no relay is running");
    page.see("#relays .problem", "relay does not answer");
    shop.merchant().price(7, "123.45").await;
    page.see("#outbox-catalog dl div", "pending1");

    shop.relay = Some(start_relay(&shop, &port));
    page.see("#outbox-catalog dl div", "pending0");
    page.see("#summary", "All is quiet");
    shop.buyer("alice").until_price("123.45").await;
    page.see("#newest tbody tr:first-child", "price changed");
    page.click("#newest tbody tr:first-child a");
    page.see(".steps li", "Marked published");
    page.see(".steps li", "Received by basket");
    assert_eq!(page.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_dead_letter_is_shown_replayed_and_gone() {
    let shop = with_control_room(&[]).await;
    shop.buyer("alice").takes(7, 1).await;
    let change = json!({
        "specversion": "1.0", "id": uuid::Uuid::now_v7(), "source": "/catalog", "subject": "7", "partitionkey": "7",
        "type": "shop.catalog.product_price_changed.v1", "time": "2026-11-22T12:00:00Z", "sequence": "99",
        "datacontenttype": "application/json",
        "data": {"productId": 7, "name": "<script>alert(1)</script>", "oldPrice": "1.00", "newPrice": "123.45",
                 "currency": "EUR", "version": 99},
    });
    let mut headers = FieldTable::default();
    headers.insert("x-reason".into(), AMQPValue::LongString("a bug, <b>repaired</b> by now".into()));
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_headers(headers);
    shop.suite.vhost.publish("", "basket.events.dead", change.to_string().as_bytes(), properties).await;

    let page = operator(&shop);
    page.goto("/ops");
    page.see("#dead-letters", "1 message could not be handled");
    page.click("#to-dead-letters");
    page.see(".dead-letter .fault", "a bug, <b>repaired</b> by now");
    page.click(".dead-letter summary");
    page.see(".dead-letter pre", "<script>alert(1)</script>");
    page.click("text=Replay");
    page.see(".strip.good", "back in its queue");
    shop.buyer("alice").until_price("123.45").await;
    page.goto("/ops/dead-letters");
    page.see("#dead-letters-basket", "There are none");
    assert_eq!(page.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn in_development_the_buttons_run_the_shop_tool_and_nothing_else() {
    let folder = std::env::temp_dir().join(format!("shop-tool-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let (tool, said) = (folder.join("tool"), folder.join("said"));
    let script = format!(
        "#!/bin/sh\nenv | grep -q '^APP__' && exit 9\n[ \"$1\" != freeze ] || {{ echo 'error: <b>not today</b>' >&2; exit 1; }}\necho \"$*\" >> {}\n",
        said.display()
    );
    std::fs::write(&tool, script).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let shop = with_control_room(&[("APP__TOOL__PATH", tool.to_str().unwrap())]).await;
    let page = operator(&shop);
    page.goto("/ops");
    page.click("#kill-relay");
    page.see(".strip.good", "The relay is killed");
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "kill relay\n");
    page.click("#freeze-relay");
    page.see("main", "<b>not today</b>");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (path, scope, status) in [
        ("/ops/processes/postgres/kill", "ops", 404),
        ("/ops/processes/relay/reset", "ops", 404),
        ("/ops/processes/relay/kill", "catalog:write", 403),
    ] {
        let request =
            client.post(format!("{}{path}", shop.storefront.url)).header("sec-fetch-site", "same-origin");
        let session = format!("shop-session={}", test_kit::token("mallory", scope));
        assert_eq!(
            request.header("cookie", session).send().await.unwrap().status(),
            status,
            "{path} {scope}"
        );
    }
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "kill relay\n");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_control_room_is_for_operators_and_without_barriers() {
    let shop = with_control_room(&[]).await;
    shop.suite.vhost.publish("", "basket.events.dead", b"not an event", BasicProperties::default()).await;
    let page = operator(&shop);
    let phone = shop.browser.open_phone("phone", &shop.storefront.url);
    phone.sign_in("olga", &["operator"]);
    let mallory = shop.signed_in("mallory", &["merchant"]);
    let visitor = shop.visitor("nobody");
    let newest = eventually("an event", Duration::from_secs(20), async || {
        page.goto("/ops/events");
        page.texts("table.events a").first().cloned()
    })
    .await;
    assert!(newest.starts_with('…'));
    page.click("table.events tbody tr:first-child a");
    page.see(".steps", "Committed");
    let event = page.path();
    let mut found = Vec::new();
    for path in
        ["/ops", "/ops/events", event.as_str(), "/ops/waiting", "/ops/dead-letters", "/ops/scheduled", BULK]
    {
        page.goto(path);
        phone.goto(path);
        found.extend(
            page.barriers().into_iter().chain(phone.barriers()).map(|barrier| format!("{path}: {barrier}")),
        );
        if phone.overflow() > 0 {
            found.push(format!("{path}: sticks out of a phone by {} pixels", phone.overflow()));
        }
        assert_eq!(mallory.goto(path), 403, "{path}");
        mallory.see("h1", "This is not for you");
        visitor.goto(path);
        visitor.see("h1", "Sign in");
    }
    assert_eq!(mallory.goto("/ops/live"), 403);
    assert_eq!(mallory.goto("/ops/dashboard"), 403);
    assert_eq!(found, Vec::<String>::new());
}
