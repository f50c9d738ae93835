//! The export of traces.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use suite_tests::{Accounts, Buyer, Mail, Merchant, Orders, Suite};
use test_kit::{
    Process, Signal,
    collector::{Collector, SpanKind, Step},
    eventually,
};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::orders::{Shopper, price, stock_up};

const PRICE_CHANGED: &str = "shop.catalog.product_price_changed.v1";

/// A trace that a client begins: its id, the client's step, and the header.
fn client(flags: &str) -> (String, String, String) {
    let (trace, step) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string());
    let step = step[..16].to_owned();
    let header = format!("00-{trace}-{step}-{flags}");
    (trace, step, header)
}

/// Changes the price of product 7 within a trace.
async fn change(catalog: &Process, price: &str, traceparent: &str) {
    let url = format!("{}/api/v1/catalog/items/7/price", catalog.url);
    let request = reqwest::Client::new().put(url).json(&json!({"price": price}));
    let request = request.bearer_auth(test_kit::token("merchant", "catalog:write"));
    let answer = request.header("traceparent", traceparent).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

fn says(step: &Step, attributes: &[(&str, &str)]) {
    for (name, value) in attributes {
        assert_eq!(step.attributes.get(*name).map(String::as_str), Some(*value), "{name} of {step:?}");
    }
}

#[tokio::test]
async fn a_price_change_is_one_trace_from_the_page_to_the_effect() {
    let (suite, collector) = tokio::join!(Suite::set_up(), Collector::spawn());
    let soon = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    // This one exports what it has when it ends.
    let late = [("APP__TRACES__ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let mut catalog = suite.start_catalog(&late);
    let _relay = suite.start_relay(&soon);
    let basket = suite.start_basket(&catalog, &soon);
    let storefront = suite.start_storefront(&catalog, &basket, &soon);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    let _stream = alice.request(Method::GET, "/alerts/stream").send().await.unwrap();

    let (unwanted, _, header) = client("00");
    change(&catalog, "99.00", &header).await;
    change(&catalog, "98.00", "00-malformed-01").await;
    let (trace, clients, header) = client("01");
    change(&catalog, "97.00", &header).await;
    alice.until_price("97.00").await;
    let (visit, _, header) = client("01");
    let page =
        reqwest::Client::new().get(&storefront.url).header("traceparent", header).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);

    // The subscriber's step, from the end to the beginning.
    let destination = format!("shop.events:{PRICE_CHANGED}");
    let effect = collector.until(&trace, "basket-api", &format!("process {destination}:basket.events")).await;
    let sent = collector.until(&trace, "outbox-relay", &format!("publish {destination}")).await;
    let page = collector.until(&visit, "storefront", "GET ").await;
    catalog.signal(Signal::TERM);
    assert!(catalog.ended().await.success());
    let request = collector.until(&trace, "catalog-api", "PUT /api/v1/catalog/items/{id}/price").await;
    let row = collector.until(&trace, "catalog-api", &format!("append {PRICE_CHANGED}")).await;

    let chain = [&request, &row, &sent, &effect];
    let parents: Vec<&str> = chain.iter().map(|step| step.parent.as_str()).collect();
    assert_eq!(parents, [&clients, &request.id, &row.id, &sent.id], "{chain:#?}");
    let kinds = chain.map(|step| step.kind);
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Producer, SpanKind::Producer, SpanKind::Consumer]);
    assert_eq!(effect.links, [row.id.as_str()], "the effect names the step that made the event");
    assert!(chain.iter().all(|step| !step.is_failed), "{chain:#?}");
    let told = collector.until(&trace, "basket-api", "send price-alert").await;
    assert_eq!(told.parent, effect.id, "{told:#?}");
    assert_eq!(collector.steps(&trace).len(), 5, "{:#?}", collector.steps(&trace));

    says(&request, &[("http.request.method", "PUT"), ("http.response.status_code", "200")]);
    says(&row, &[("db.system.name", "postgresql"), ("db.collection.name", "integration_event_log")]);
    says(&sent, &[("messaging.system", "rabbitmq"), ("messaging.operation.type", "send")]);
    says(&sent, &[("messaging.destination.name", &destination)]);
    says(&effect, &[("messaging.operation.type", "process"), ("messaging.consumer.group.name", "basket")]);
    assert_eq!(effect.attributes["messaging.message.id"], row.attributes["messaging.message.id"]);

    // What the page asked of the catalog is in the visitor's trace.
    let asked = collector.until(&visit, "catalog-api", "GET /api/v1/catalog/items").await;
    assert_eq!(asked.parent, page.id);
    assert!(collector.steps(&unwanted).is_empty(), "its client does not want it recorded");
}

#[tokio::test]
async fn a_whole_order_is_one_trace() {
    let (suite, collector) = tokio::join!(Suite::set_up(), Collector::spawn());
    stock_up(&suite.catalog.pool, 10).await;
    let traced = [("APP__TRACES__ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let catalog = suite.start_catalog(&traced);
    let orders = Orders::open_with(&suite, &traced).await;
    catalog.until_ready(true).await;
    let _relay = suite.start_relay(&traced);
    let shopper = Shopper::of(&orders.ordering, "alice");
    let order = shopper.orders("k1", (1, &price(&suite.catalog.pool).await), "tok_ok").await;
    assert_eq!(shopper.until_final(&order).await["status"], "paid");

    // No client named a trace: ordering began one, and what the order causes is in it.
    let steps = eventually("the trace is whole", Duration::from_secs(30), async || {
        let paid = collector.all().into_iter().find(|step| step.name == "append shop.ordering.order_paid.v1");
        let steps = collector.steps(&paid?.trace);
        let has = |service: &str| steps.iter().any(|step| step.service == service);
        let knows = |parent: &str| parent.is_empty() || steps.iter().any(|step| step.id == parent);
        let is_whole = steps.iter().all(|step| knows(&step.parent))
            && ["ordering-api", "outbox-relay", "catalog-api", "payment-processor"].into_iter().all(has);
        is_whole.then_some(steps)
    })
    .await;
    let first = steps.iter().filter(|step| step.parent.is_empty()).map(|step| step.name.as_str());
    assert_eq!(first.collect::<Vec<_>>(), ["POST /api/v1/orders"]);
}

#[tokio::test]
async fn a_whole_registration_is_one_trace_to_the_first_list_and_the_mail() {
    const EMAIL: &str = "ada@example.org";
    let (suite, collector) = tokio::join!(Suite::set_up(), Collector::spawn());
    let traced = [("APP__TRACES__ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let catalog = suite.start_catalog(&[]);
    let basket = suite.start_basket(&catalog, &traced);
    let accounts = Accounts::open_with(&suite, &traced).await;
    let mail = Mail::open_with(&suite, &traced).await;
    basket.until_ready(true).await;
    let (trace, clients, header) = client("01");
    let request = reqwest::Client::new().post(format!("{}/api/v1/users", accounts.accounts.url));
    let body = json!({"userName": "Ada", "email": EMAIL, "password": "correct horse battery"});
    let answer = request.header("traceparent", header).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);

    let (command, registered) = ("shop.accounts.register_user.v1", "shop.accounts.user_registered.v1");
    let until = async |service: &str, step: String| collector.until(&trace, service, &step).await;
    let published = |event: &str| format!("publish shop.events:{event}");
    let processed = |event: &str, queue: &str| format!("process shop.events:{event}:{queue}.events");
    let request = until("accounts-api", "POST /api/v1/users".to_owned()).await;
    let asked = until("accounts-api", format!("append {command}")).await;
    let asked_sent = until("outbox-relay", published(command)).await;
    let done = until("accounts-api", processed(command, "accounts")).await;
    let told = until("accounts-api", format!("append {registered}")).await;
    let told_sent = until("outbox-relay", published(registered)).await;
    let list = until("basket-api", processed(registered, "basket")).await;
    let welcome = until("notifier", processed(registered, "notifier")).await;

    let chain = [&request, &asked, &asked_sent, &done, &told, &told_sent, &list];
    let parents: Vec<&str> = chain.iter().map(|step| step.parent.as_str()).collect();
    let before = [&clients, &request.id, &asked.id, &asked_sent.id, &done.id, &told.id, &told_sent.id];
    assert_eq!(parents, before, "{chain:#?}");
    assert_eq!(welcome.parent, told_sent.id, "{welcome:#?}");
    assert!(
        collector.steps(&trace).iter().all(|step| !step.is_failed && !format!("{step:?}").contains(EMAIL))
    );

    // The steps are what they say: the list is there, and the mail.
    let user = accounts.user(EMAIL).await.unwrap()["userId"].as_str().unwrap().to_owned();
    let lists = reqwest::Client::new().get(format!("{}/api/v1/basket/{user}/lists", basket.url));
    let lists = lists.bearer_auth(test_kit::token(&user, "")).send().await.unwrap();
    assert_eq!(lists.json::<serde_json::Value>().await.unwrap()["count"], 1);
    let mails = eventually("the mail", Duration::from_secs(30), async || {
        let mails = mail.to(EMAIL, "Welcome to the shop").await;
        (!mails.is_empty()).then_some(mails)
    })
    .await;
    assert_eq!(mails[0]["messageId"], format!("{}@shop.example", told.attributes["messaging.message.id"]));
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_delays_nobody() {
    let suite = Suite::set_up().await;
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let away = [("APP__TRACES__ENDPOINT", "http://127.0.0.1:9"), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let silent = [("APP__TRACES__ENDPOINT", silent.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let (mut away, mut silent) = (suite.start_catalog(&away), suite.start_catalog(&silent));
    let plain = suite.start_catalog(&[]);

    let warned = || away.log().matches("traces cannot be exported").count();
    Merchant::of(&away).price(7, "99.00").await;
    eventually("a warning", Duration::from_secs(20), async || (warned() == 1).then_some(())).await;
    // In turns with one that exports nothing: whatever else this machine does, it does to all three.
    let mut taken = [Duration::ZERO; 3];
    for price in 1..=30 {
        for (n, process) in [&away, &silent, &plain].into_iter().enumerate() {
            let started = Instant::now();
            Merchant::of(process).price(7, &format!("{price}.{n}0")).await;
            let url = format!("{}/api/v1/catalog/items/7", process.url);
            let answer = reqwest::Client::new().request(Method::GET, &url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            taken[n] += started.elapsed();
        }
    }
    let [away_took, silent_took, plain_took] = taken;
    let limit = plain_took * 2 + Duration::from_secs(5);
    assert!(away_took < limit && silent_took < limit, "{taken:?}");
    assert_eq!(warned(), 1, "said once: {}", away.log());

    for process in [&mut away, &mut silent] {
        let asked = Instant::now();
        process.signal(Signal::TERM);
        assert!(process.ended().await.success());
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    }
}
