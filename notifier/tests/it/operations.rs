//! The operator's routes.

use std::time::Duration;

use notifier::mails::read;
use notifier::mails::store::{self, Outcome};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::token;
use uuid::Uuid;

use crate::app::{ANN, Mailbox, TestApp, register_ann, until};

/// A notifier with a mail that was refused for good and one that was sent.
async fn one_failed_and_one_sent(pool: &PgPool) -> (Mailbox, TestApp, [Uuid; 2]) {
    let mailbox = Mailbox::start().await;
    let app = TestApp::spawn(pool, &mailbox.smtp);
    mailbox.fault(json!({"fault": "refuse", "code": 550, "times": 1})).await;
    let failed = register_ann(pool).await;
    until(pool, failed, "failed").await;
    let sent = register_ann(pool).await;
    until(pool, sent, "sent").await;
    (mailbox, app, [failed, sent])
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn operators_see_mails_by_state_and_have_them_sent_again(pool: PgPool) {
    let (mailbox, app, [failed, sent]) = one_failed_and_one_sent(&pool).await;

    let all = app.see("/api/v1/mails").await;
    assert_eq!((&all["count"], &all["data"][0]["mailId"]), (&json!(2), &json!(sent)), "newest first: {all}");
    let listed = app.see("/api/v1/mails?state=failed&pageSize=1").await;
    assert_eq!((&listed["count"], &listed["data"][0]["kind"]), (&json!(1), &json!("welcome")));
    assert!(!listed.to_string().contains(ANN), "{listed}");
    let status = app.see("/api/v1/mails/status").await;
    assert_eq!(status["states"], json!({"failed": 1, "sent": 1}));
    assert!(status["problems"][0].as_str().unwrap().starts_with("1 mail is refused: "), "{status}");

    let path = format!("/api/v1/mails/{failed}/requeue");
    assert_eq!(app.operate(Method::POST, &path).send().await.unwrap().status(), 202);
    until(&pool, failed, "sent").await;
    assert_eq!(app.operate(Method::POST, &path).send().await.unwrap().status(), 409, "it is sent");
    assert_eq!(mailbox.mails().await[0]["messageId"], format!("{failed}@shop.example"));
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_failed_mail_that_is_discarded_with_a_reason_is_no_problem_any_more(pool: PgPool) {
    let (_mailbox, app, [failed, sent]) = one_failed_and_one_sent(&pool).await;
    assert!(read::waits_for_an_operator(&pool, 300).await.unwrap());

    let discard = async |mail: Uuid, reason: &str| {
        let request = app.operate(Method::POST, &format!("/api/v1/mails/{mail}/discard"));
        request.json(&json!({"reason": reason})).send().await.unwrap().status()
    };
    assert_eq!(discard(failed, " ").await, 400, "no reason");
    assert_eq!(discard(Uuid::now_v7(), "a mistake").await, 404);
    assert_eq!(discard(sent, "a mistake").await, 409, "it is sent");
    assert_eq!(discard(failed, " no such address ").await, 204);
    assert_eq!(discard(failed, "another reason").await, 409, "the first one is kept");

    assert!(!read::waits_for_an_operator(&pool, 300).await.unwrap());
    let status = app.see("/api/v1/mails/status").await;
    assert_eq!(status["states"], json!({"discarded": 1, "sent": 1}));
    assert_eq!(status["problems"], json!([]));
    let listed = app.see("/api/v1/mails?state=discarded").await;
    let mail = &listed["data"][0];
    assert_eq!((&listed["count"], &mail["mailId"]), (&json!(1), &json!(failed)));
    assert_eq!(
        (&mail["discardedBy"], &mail["discardReason"]),
        (&json!("olga"), &json!("no such address")),
        "{mail}"
    );
    let kept = sqlx::query_scalar("select count(*) from mail where email is not null or content is not null");
    let kept: i64 = kept.fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0, "whom it was for, and what it said, is not kept");
    assert!(!store::requeue(&pool, failed).await.unwrap(), "it is never sent");
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_mail_that_is_sent_discarded_or_failed_is_forgotten_after_its_time(pool: PgPool) {
    for _ in 0..4 {
        register_ann(&pool).await;
    }
    let taken = store::take(&pool, 3, Duration::from_mins(1)).await.unwrap();
    let failed = Outcome::Failed("550".to_owned());
    for (work, outcome) in taken.iter().zip([&Outcome::Sent, &failed, &failed]) {
        assert!(store::record(&pool, work, outcome).await.unwrap());
    }
    assert!(store::discard(&pool, taken[2].mail_id, "olga", "no such address").await.unwrap());
    for (days, forgotten) in [(29_i64, 0), (31, 3)] {
        let update = sqlx::query("update mail set changed_at = now() - $1 * interval '1 day'");
        update.bind(days).execute(&pool).await.unwrap();
        assert_eq!(store::forget_old(&pool, 30).await.unwrap(), forgotten, "after {days} days");
    }
    let left: Vec<String> = sqlx::query_scalar("select state from mail").fetch_all(&pool).await.unwrap();
    assert_eq!(left, ["waiting"], "what is to be sent is not forgotten");
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn a_mail_that_a_worker_has_right_now_is_not_sent_twice_for_an_operator(pool: PgPool) {
    let mail = register_ann(&pool).await;
    let lease = Duration::from_mins(1);
    let take = async || store::take(&pool, 1, lease).await.unwrap();
    // Its first try has come to nothing; a worker tries again.
    let pause = Duration::ZERO;
    let again = Outcome::Again { problem: "no answer".to_owned(), pause, is_refused: false };
    assert!(store::record(&pool, &take().await[0], &again).await.unwrap());
    let taken = take().await;
    assert_eq!(taken.len(), 1);
    assert!(store::requeue(&pool, mail).await.unwrap());
    assert!(take().await.is_empty(), "another worker has it");
    // After that try it need not wait any longer.
    let pause = Duration::from_mins(10);
    let again = Outcome::Again { problem: "no answer".to_owned(), pause, is_refused: false };
    assert!(store::record(&pool, &taken[0], &again).await.unwrap());
    assert!(take().await.is_empty());
    assert!(store::requeue(&pool, mail).await.unwrap());
    assert_eq!(take().await.len(), 1);
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn mails_are_for_operators_alone_and_wrong_questions_are_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool, "smtp://127.0.0.1:1");
    let requeue = format!("/api/v1/mails/{}/requeue", Uuid::now_v7());
    let discard = format!("/api/v1/mails/{}/discard", Uuid::now_v7());
    let routes = [
        (Method::GET, "/api/v1/mails"),
        (Method::GET, "/api/v1/mails/status"),
        (Method::POST, requeue.as_str()),
        (Method::POST, discard.as_str()),
    ];
    for (method, path) in routes {
        let stranger = app.request(method.clone(), path).send().await.unwrap();
        let buyer = app.request(method, path).bearer_auth(token("alice", "")).send().await.unwrap();
        assert_eq!((stranger.status().as_u16(), buyer.status().as_u16()), (401, 403), "{path}");
    }
    for (method, path, status) in [
        (Method::POST, requeue.as_str(), 404),
        (Method::POST, "/api/v1/mails/seven/requeue", 400),
        (Method::GET, "/api/v1/mails?state=lost", 400),
        (Method::GET, "/api/v1/mails?pageSize=101", 400),
        (Method::GET, "/api/v1/mails?pageIndex=-1", 400),
        (Method::GET, "/api/v1/mails?colour=red", 400),
    ] {
        let answer = app.operate(method, path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{path}: {problem}");
    }
}
