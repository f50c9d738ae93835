//! What mails say, and to whom.

use notifier::mails::store;
use notifier::subscriptions::{ConfirmOrder, SayCancelled, SayShipped, SayTaken, Welcome};
use serde_json::{Value, json};
use service_kit::link_token::{LinkKey, LinkSettings};
use service_kit::settings::Mode;
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{ANN, LINKS, Mailbox, TestApp, delete, handle, register, registered, state_of, until};

fn text(mail: &Value) -> &str {
    mail["text"].as_str().unwrap()
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn who_registers_is_welcomed_once_with_a_link_that_counts(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let _app = TestApp::spawn(&pool, &mailbox.smtp);
    let user = Uuid::now_v7();
    let event = register(&pool, user, "Ann", ANN).await;
    until(&pool, event, "sent").await;

    let mails = mailbox.mails().await;
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(mail["messageId"], format!("{event}@shop.example"));
    assert_eq!((&mail["to"], &mail["from"]), (&json!([ANN]), &json!("shop@shop.example")));
    assert_eq!(mail["subject"], "Welcome to the shop");
    assert!(text(mail).starts_with("Hello Ann,"), "{mail}");
    let link = format!("https://shop.example/validate?user={user}&token=");
    let token = text(mail).lines().find_map(|line| line.strip_prefix(&link)).expect("the link is a line");
    let key = LinkKey::new(&LinkSettings { secret: Some(LINKS.into()) }, Mode::Development).unwrap();
    assert!(key.verify(user, token.trim_end(), chrono::Utc::now()).is_ok());
    assert!(mail["html"].as_str().unwrap().contains("Confirm this address</a>"), "{mail}");
    let kept: (Option<String>, Option<String>) =
        sqlx::query_as("select email, content::text from mail").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, (None, None), "what is sent is not kept");
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_buyer_hears_of_their_orders_and_a_stranger_does_not(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let app = TestApp::spawn(&pool, &mailbox.smtp);
    let (user, order) = (Uuid::now_v7(), "order-7");
    let payload = |buyer: &str| json!({"orderId": order, "buyerId": buyer, "reason": "stock_rejected"});
    let own = payload(&user.to_string());
    // One that comes before its buyer's registration waits for it.
    let early = handle(&pool, &ConfirmOrder, order, own.clone()).await.unwrap();
    let stranger = handle(&pool, &ConfirmOrder, order, payload("alice")).await.unwrap();
    assert_eq!(state_of(&pool, early).await, "unaddressed");
    register(&pool, user, "Ann", ANN).await;
    handle(&pool, &SayShipped, order, own.clone()).await.unwrap();
    handle(&pool, &SayCancelled, order, own).await.unwrap();
    let rejected = Uuid::now_v7();
    let taken = json!({"userId": rejected, "email": ANN});
    handle(&pool, &SayTaken, &rejected.to_string(), taken).await.unwrap();

    let mails = mailbox.until(5).await;
    let mut subjects: Vec<&str> = mails.iter().map(|mail| mail["subject"].as_str().unwrap()).collect();
    subjects.sort_unstable();
    let all = [
        "Welcome to the shop",
        "You are registered already",
        "Your order is cancelled",
        "Your order is confirmed",
        "Your order is on its way",
    ];
    assert_eq!(subjects, all);
    assert!(mails.iter().all(|mail| mail["to"] == json!([ANN])));
    let cancelled = mails.iter().find(|mail| mail["subject"] == "Your order is cancelled").unwrap();
    assert!(text(cancelled).contains("There is not enough left"), "{cancelled}");
    assert!(text(cancelled).contains("https://shop.example/orders/order-7"), "{cancelled}");
    until(&pool, early, "sent").await;
    assert_eq!(state_of(&pool, stranger).await, "unaddressed");
    assert_eq!(app.see("/api/v1/mails/status").await["states"]["unaddressed"], 1);
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_name_puts_nothing_into_headers_or_html(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let app = TestApp::spawn(&pool, &mailbox.smtp);
    let name = "<script>1<br>\r\nBcc eve\r\n\r\n\u{202e}&\"";
    register(&pool, Uuid::now_v7(), name, ANN).await;
    let mails = mailbox.until(1).await;
    let (mail, html) = (&mails[0], mails[0]["html"].as_str().unwrap());
    assert_eq!((&mail["to"], &mail["subject"]), (&json!([ANN]), &json!("Welcome to the shop")));
    assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"), "{html}");
    assert!(text(mail).starts_with("Hello <script>1<br>Bcc eve&\","), "one line: {mail}");

    // An address that is none is found out before it is sent anywhere.
    let wrong = ["ann", "ann@", "a b@buyers.example", "ann@buyers.example>", "<ann@buyers.example>"];
    for address in wrong {
        let event = register(&pool, Uuid::now_v7(), "Ann", address).await;
        until(&pool, event, "failed").await;
    }
    let user = Uuid::now_v7();
    let injected = registered(user, "Ann", "ann@buyers.example\r\nRCPT TO:<eve@x.example>");
    let refused = handle(&pool, &Welcome, &user.to_string(), injected).await.unwrap_err();
    assert!(!format!("{refused:?}").contains("eve@"), "rejected, and not shown");
    assert_eq!(mailbox.mails().await.len(), 1);
    let listed = app.see("/api/v1/mails?state=failed").await;
    assert_eq!(listed["count"], wrong.len());
    assert!(!listed.to_string().contains("buyers.example"), "{listed}");
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_user_who_is_gone_is_forgotten_and_hears_nothing_more(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    mailbox.fault(json!({"fault": "refuse", "code": 550})).await;
    let app = TestApp::spawn(&pool, &mailbox.smtp);
    let user = Uuid::now_v7();
    let event = register(&pool, user, "Ann", ANN).await;
    until(&pool, event, "failed").await;
    let order = json!({"orderId": "order-7", "buyerId": user});
    let discarded = handle(&pool, &SayShipped, "order-7", order.clone()).await.unwrap();
    until(&pool, discarded, "failed").await;
    assert!(store::discard(&pool, discarded, "olga", "ann@ has moved").await.unwrap());
    delete(&pool, user).await;
    let later = handle(&pool, &ConfirmOrder, "order-7", order).await.unwrap();

    assert_eq!([state_of(&pool, event).await, state_of(&pool, later).await], ["erased", "unaddressed"]);
    assert_eq!(state_of(&pool, discarded).await, "erased");
    let rows: String = sqlx::query_scalar(
        "select coalesce((select json_agg(mail)::text from mail), '') || coalesce((select json_agg(a)::text from addressee a), '')",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(!rows.contains("ann@") && !rows.contains("Ann"), "{rows}");
    let path = format!("/api/v1/mails/{event}/requeue");
    assert_eq!(app.operate(reqwest::Method::POST, &path).send().await.unwrap().status(), 409);
    assert!(mailbox.mails().await.is_empty());
}
