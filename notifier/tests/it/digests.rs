//! The mail with a buyer's price alerts of a day.

use notifier::subscriptions::SendDigest;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{ANN, Mailbox, TestApp, delete, handle, register, state_of, until};

fn digest(buyer: Uuid, more: u64) -> Value {
    let changes = json!([
        {"productId": 7, "productName": "Tent <b>&\r\nBcc: eve@x.example", "oldPrice": "699.00", "newPrice": "649.00"},
        {"productId": 8, "productName": "Mug", "oldPrice": "12.50"},
    ]);
    json!({"buyerId": buyer, "changes": changes, "more": more, "currency": "EUR"})
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_digest_is_one_mail_with_all_changes_escaped_and_whoever_is_gone_gets_none(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let _app = TestApp::spawn(&pool, &mailbox.smtp);
    let user = Uuid::now_v7();
    let welcome = register(&pool, user, "Ann", ANN).await;
    until(&pool, welcome, "sent").await;
    let event = handle(&pool, &SendDigest, &user.to_string(), digest(user, 3)).await.unwrap();
    until(&pool, event, "sent").await;

    let mails = mailbox.mails().await;
    let (mail, html, text) =
        (&mails[0], mails[0]["html"].as_str().unwrap(), mails[0]["text"].as_str().unwrap());
    assert_eq!(mail["messageId"], format!("{event}@shop.example"));
    assert_eq!((&mail["to"], &mail["subject"]), (&json!([ANN]), &json!("Prices in your cart have changed")));
    assert!(text.contains("Tent <b>&Bcc: eve@x.example: 649.00 EUR instead of 699.00 EUR"), "{text}");
    assert!(text.contains("Mug is no longer sold") && text.contains("And 3 more."), "{text}");
    assert!(text.contains("https://shop.example/cart"), "{text}");
    assert!(!html.contains("<b>") && html.contains("Tent &#60;b&#62;&#38;Bcc"), "{html}");

    delete(&pool, user).await;
    let late = handle(&pool, &SendDigest, &user.to_string(), digest(user, 0)).await.unwrap();
    assert_eq!(state_of(&pool, late).await, "unaddressed");
    let wrong = handle(&pool, &SendDigest, "another", digest(user, 0)).await;
    assert!(wrong.is_err(), "the key is another buyer's");
    assert_eq!(mailbox.mails().await.len(), 2);
}
