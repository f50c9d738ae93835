//! What an operator does about dead letters that somebody else has made odd.

use event_bus::rabbitmq::{DeadLetterError, QueueAdmin};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use sqlx::PgPool;
use test_kit::eventually;

use crate::{
    dead_letters::{letters, queue_admin},
    support::{LONG, Stage, broker, raised},
};

#[sqlx::test(migrations = false)]
async fn a_dead_letter_that_wishes_for_copies_of_itself_is_looked_at_without_any(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let mut headers = FieldTable::default();
    let again = vec![AMQPValue::LongString("again".into())];
    headers.insert("CC".into(), AMQPValue::FieldArray(again.into()));
    let properties = BasicProperties::default().with_headers(headers).with_correlation_id("kept".into());
    stage.vhost.publish("", &stage.dead(), b"not an event", properties).await;
    // At some time it has been delivered too often to be left where it is, and is replaced.
    for _ in 0..12 {
        letters(&queue_admin(&stage), 1).await;
    }

    // A copy would be rejected before this one is handled.
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
    assert_eq!(letters(&queue_admin(&stage), 1).await[0].body, "not an event");
    let letter = stage.vhost.take(&stage.dead()).await.unwrap();
    assert_eq!(letter.properties.correlation_id().as_ref().map(ShortString::as_str), Some("kept"));
}

#[sqlx::test(migrations = false)]
async fn where_the_broker_takes_no_copy_dead_letters_can_be_looked_at_for_ever(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.publish("", &stage.dead(), b"not an event", BasicProperties::default()).await;
    let full = serde_json::json!({"pattern": stage.dead(), "apply-to": "queues", "priority": 99,
        "definition": {"max-length": 1, "overflow": "reject-publish", "delivery-limit": 1_000}});
    stage.vhost.put("policies", "/full", &full).await;
    let one = [(stage.dead(), Vec::new(), BasicProperties::default())];
    eventually("it takes no more", LONG, async || {
        (stage.vhost.try_publish_all("", &one).await == 0).then_some(())
    })
    .await;
    let admin = queue_admin(&stage);
    let count = admin.dead_letters(10).await.unwrap().data.len();
    for _ in 0..12 {
        assert_eq!(admin.dead_letters(10).await.unwrap().data.len(), count);
    }
}

#[sqlx::test(migrations = false)]
async fn a_dead_letter_that_cannot_be_received_is_named(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let mut headers = FieldTable::default();
    headers.insert("x-fill".into(), AMQPValue::LongString("x".repeat(100_000).into()));
    let full = BasicProperties::default().with_headers(headers);
    let mut narrow = broker(&stage.vhost);
    narrow.url = format!("{}?frame_max=8192", stage.vhost.url).into();
    let narrow = QueueAdmin::new(&stage.consumer, narrow);
    stage.vhost.publish("", &stage.dead(), b"full", full).await;
    let error = narrow.dead_letters(10).await.unwrap_err();
    assert!(matches!(error, DeadLetterError::Unreceivable { after: 0, .. }), "{error:?}");
}

#[sqlx::test(migrations = false)]
async fn what_a_dead_letter_is_about_is_read_where_its_mode_has_it(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let mut headers = FieldTable::default();
    headers.insert("ce-subject".into(), AMQPValue::LongString("a".into()));
    let binary = |headers: &FieldTable| BasicProperties::default().with_headers(headers.clone());
    let body = br#"{"subject":"b"}"#;
    stage.vhost.publish("", &stage.dead(), body, binary(&headers).with_message_id("..".into())).await;
    headers.insert("ce-id".into(), AMQPValue::LongString("other".into()));
    stage.vhost.publish("", &stage.dead(), body, binary(&headers)).await;
    let seen = letters(&queue_admin(&stage), 2).await;
    assert!(seen.iter().all(|letter| letter.key.as_deref() == Some("a")), "{seen:?}");
    assert!(seen.iter().all(|letter| letter.id.starts_with("body-")), "{seen:?}");
    assert_ne!(seen[0].id, seen[1].id, "two messages with one body");
}
