//! A mail server that does something wrong.

use serde_json::json;
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use crate::app::{ANN, Mailbox, SOON, TestApp, problem, register, register_ann, state_of, until};

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn what_is_refused_for_now_is_sent_later_and_what_is_refused_for_good_is_recorded(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let _app = TestApp::spawn(&pool, &mailbox.smtp);
    mailbox.fault(json!({"fault": "refuse", "code": 451, "times": 2})).await;
    let later = register_ann(&pool).await;
    until(&pool, later, "sent").await;

    mailbox.fault(json!({"fault": "refuse", "code": 550, "times": 1})).await;
    let never = register_ann(&pool).await;
    until(&pool, never, "failed").await;
    let why = problem(&pool, never).await;
    assert!(why.contains("550") && why.contains("(the address)") && !why.contains(ANN), "{why}");

    // For now, for ever: the settings of these tests allow three.
    mailbox.fault(json!({"fault": "refuse", "code": 450})).await;
    let given_up = register_ann(&pool).await;
    until(&pool, given_up, "failed").await;
    assert!(problem(&pool, given_up).await.starts_with("refused 3 times"));

    // The server goes away: nothing that the mail can help, however often.
    mailbox.fault(json!({"fault": "refuse", "code": 421, "times": 5})).await;
    let patient = register_ann(&pool).await;
    until(&pool, patient, "sent").await;
    assert_eq!(mailbox.mails().await.len(), 2);
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_server_that_is_away_gets_each_mail_once_when_it_is_back(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    mailbox.fault(json!({"fault": "away"})).await;
    let app = TestApp::spawn(&pool, &mailbox.smtp);
    for _ in 0..10 {
        register_ann(&pool).await;
    }
    // More tries than there may be refusals.
    eventually("all were tried five times", SOON, async || {
        let least: i32 = sqlx::query_scalar("select min(tries) from mail").fetch_one(&pool).await.unwrap();
        (least >= 5).then_some(())
    })
    .await;
    assert_eq!(app.see("/api/v1/mails/status").await["states"], json!({"waiting": 10}));
    mailbox.fault(json!({})).await;
    eventually("all are sent", SOON, async || {
        (app.see("/api/v1/mails/status").await["states"] == json!({"sent": 10})).then_some(())
    })
    .await;
    assert_eq!(mailbox.mails().await.len(), 10);
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_server_that_hangs_or_dies_without_an_answer_gets_the_same_mail_again(pool: PgPool) {
    let mailbox = Mailbox::start().await;
    let _app = TestApp::spawn(&pool, &mailbox.smtp);
    mailbox.fault(json!({"fault": "hang", "times": 1})).await;
    let first = register_ann(&pool).await;
    mailbox.until_well().await;
    assert_eq!(state_of(&pool, first).await, "waiting");
    // Others are sent meanwhile, over connections of their own.
    let second = register(&pool, Uuid::now_v7(), "Bob", "bob@buyers.example").await;
    until(&pool, second, "sent").await;
    until(&pool, first, "sent").await;
    assert_eq!(mailbox.mails().await.len(), 2);

    mailbox.fault(json!({"fault": "die", "times": 1})).await;
    let third = register_ann(&pool).await;
    until(&pool, third, "sent").await;
    let mails = mailbox.mails().await;
    assert_eq!(mails.len(), 4, "sent again: whether the server had it was not known");
    for mail in &mails[..2] {
        assert_eq!(mail["messageId"], format!("{third}@shop.example"));
    }
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_mail_whose_content_cannot_be_read_fails_alone_and_says_why(pool: PgPool) {
    let mut mails = Vec::new();
    for _ in 0..5 {
        mails.push(register_ann(&pool).await);
    }
    // As a later release may write it, or a hand; the number is one that PostgreSQL has and Rust has not.
    let unreadable = [
        json!({"kind": "of_tomorrow", "secret": "s3cret"}).to_string(),
        json!({"kind": "welcome", "userName": ["s3cret"]}).to_string(),
        r#"{"kind": "welcome", "userName": "s3cret", "since": 1e400}"#.to_owned(),
    ];
    for (mail, content) in mails.iter().zip(&unreadable) {
        let update = sqlx::query("update mail set content = $2::jsonb where mail_id = $1");
        update.bind(mail).bind(content).execute(&pool).await.unwrap();
    }
    let mailbox = Mailbox::start().await;
    let app = TestApp::spawn(&pool, &mailbox.smtp);
    for mail in &mails[3..] {
        until(&pool, *mail, "sent").await;
    }
    for mail in &mails[..3] {
        until(&pool, *mail, "failed").await;
        let why = problem(&pool, *mail).await;
        assert!(why.contains("its content cannot be read") && !why.contains("s3cret"), "{why}");
    }
    let states = app.see("/api/v1/mails/status").await["states"].clone();
    assert_eq!(states, json!({"sent": 2, "failed": 3}));
}
