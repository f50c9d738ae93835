//! What an operator does about dead letters.

use std::time::Duration;

use event_bus::{
    BrokerConfig,
    rabbitmq::{DeadLetter, DeadLetterError, DeadLetterProgress, DeadLetterSelection, QueueAdmin},
};
use lapin::BasicProperties;
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{LONG, RAISED, Sent, Stage, broker, raised};

pub(crate) fn queue_admin(stage: &Stage) -> QueueAdmin {
    QueueAdmin::new(&stage.consumer, broker(&stage.vhost))
}

/// Waits until there are so many dead letters, and shows them.
pub(crate) async fn letters(admin: &QueueAdmin, count: usize) -> Vec<DeadLetter> {
    eventually(&format!("{count} dead letters"), LONG, async || {
        let seen = admin.dead_letters(100).await.unwrap();
        assert_eq!(seen.count, seen.data.len() as u64);
        (seen.data.len() == count).then_some(seen.data)
    })
    .await
}

#[sqlx::test(migrations = false)]
async fn a_dead_letter_says_what_it_is_and_why_it_is_there(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    assert_eq!(admin.dead_letters(10).await.unwrap().data, []);
    let event = raised("a", 1, "reject");
    stage.send(&event).await;
    stage.vhost.publish("shop.events", RAISED, b"not an event", BasicProperties::default()).await;
    let mut seen = letters(&admin, 2).await;
    seen.sort_by_key(|letter| letter.event_id.is_none());
    let [rejected, nonsense] = seen.try_into().unwrap();

    assert_eq!((rejected.event_id, rejected.id.clone()), (Some(event.id), event.id.to_string()));
    assert_eq!((rejected.event_type.as_deref(), &*rejected.reason), (Some(RAISED), "this one is rejected"));
    assert!(rejected.body.contains(r#""wish":"reject""#), "{rejected:?}");
    let age = chrono::Utc::now() - rejected.failed_at.unwrap();
    assert!(age.num_seconds() < 60, "{rejected:?}");
    assert_eq!((&*nonsense.body, nonsense.body_bytes, nonsense.event_id), ("not an event", 12, None));
    assert!(nonsense.reason.contains("not a CloudEvents event"), "{nonsense:?}");
}

#[sqlx::test(migrations = false)]
async fn a_repaired_message_is_handled_again_as_if_it_were_new(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    stage.hold("a").await;
    stage.send(&raised("a", 7, "reject while held")).await;
    let letter = letters(&admin, 1).await.remove(0);

    stage.release("a").await;
    assert_eq!(admin.replay(&letter.id).await.unwrap(), Some(letter.clone()));
    assert_eq!(stage.until_applied(1).await, [("a".to_owned(), 7)]);
    letters(&admin, 0).await;
    assert_eq!(admin.replay(&letter.id).await.unwrap(), None, "it is gone");
}

#[sqlx::test(migrations = false)]
async fn a_replayed_message_has_its_effect_however_old_it_is(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    let occurred_at = chrono::Utc::now() - chrono::TimeDelta::days(8);
    stage.hold("a").await;
    stage.send(&Sent { occurred_at, ..raised("a", 1, "reject while held") }).await;
    let letter = letters(&admin, 1).await.remove(0);
    stage.send(&raised("a", 2, "")).await;
    stage.until_applied(1).await;
    stage.release("a").await;
    assert!(admin.replay(&letter.id).await.unwrap().is_some());
    assert_eq!(stage.until_applied(2).await, [("a".to_owned(), 2), ("a".to_owned(), 1)]);
}

#[sqlx::test(migrations = false)]
async fn a_message_that_still_fails_comes_back_with_a_new_history(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    stage.send(&raised("a", 1, "reject")).await;
    for _ in 0..3 {
        let letter = letters(&admin, 1).await.remove(0);
        assert_eq!((letter.failures, letter.event_type.as_deref()), (0, Some(RAISED)), "{letter:?}");
        assert!(admin.replay(&letter.id).await.unwrap().is_some());
    }
    letters(&admin, 1).await;
}

#[sqlx::test(migrations = false)]
async fn a_discarded_dead_letter_is_gone_and_the_others_stay(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    for version in 1..=3 {
        stage.send(&raised(&version.to_string(), 1, "reject")).await;
    }
    let before = letters(&admin, 3).await;
    assert!(admin.discard("another").await.unwrap().is_none());
    assert!(admin.discard(&before[1].id).await.unwrap().is_some());
    let after = letters(&admin, 2).await;
    assert!(after.iter().all(|letter| letter.id != before[1].id), "{after:?}");
}

#[sqlx::test(migrations = false)]
async fn a_dead_letter_is_never_said_to_be_absent_when_the_time_was_over(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    for version in 1..=3 {
        stage.send(&raised(&version.to_string(), 1, "reject")).await;
    }
    let last = letters(&admin, 3).await.remove(2);
    let hasty = queue_admin(&stage).within(Duration::ZERO);
    for outcome in [hasty.discard("another").await, hasty.replay("another").await] {
        assert!(matches!(outcome, Err(DeadLetterError::OutOfTime { looked_at: 1, count: 3 })), "{outcome:?}");
    }
    let progress =
        hasty.count(DeadLetterSelection { all: true, ..DeadLetterSelection::default() }).await.unwrap();
    assert_eq!((progress.count, progress.looked_at, progress.more), (3, 1, true));
    assert!(admin.discard("another").await.unwrap().is_none(), "all of the queue was read");
    assert!(admin.discard(&last.id).await.unwrap().is_some());
    letters(&admin, 2).await;
}

#[sqlx::test(migrations = false)]
async fn dead_letters_are_replayed_and_discarded_by_reason_type_and_key(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    for (key, versions) in [("a", 1..=3), ("b", 1..=2), ("c", 1..=1)] {
        for version in versions {
            stage.send(&raised(key, version, "reject")).await;
        }
    }
    stage.vhost.publish("shop.events", RAISED, b"not an event", BasicProperties::default()).await;
    let seen = letters(&admin, 7).await;
    assert_eq!(seen.iter().filter(|letter| letter.key.as_deref() == Some("a")).count(), 3);
    let none = DeadLetterSelection::default();
    let of_a = DeadLetterSelection { key: Some("a".to_owned()), ..none.clone() };
    let of_a = DeadLetterSelection { event_type: Some(String::new()), ..of_a };
    let unreadable =
        DeadLetterSelection { reason: Some("not a CloudEvents event".to_owned()), ..none.clone() };
    let typed = DeadLetterSelection { event_type: Some(RAISED.to_owned()), ..none.clone() };
    let all = DeadLetterSelection { all: true, ..none.clone() };
    // A script whose variable is not set says this; every reason contains it.
    let empty = DeadLetterSelection { reason: Some(String::new()), ..none.clone() };
    for (which, matched) in [(&none, 0), (&empty, 0), (&of_a, 3), (&unreadable, 1), (&all, 7)] {
        let progress = admin.count(which.clone()).await.unwrap();
        assert_eq!(
            progress,
            DeadLetterProgress { count: 7, looked_at: 7, matched, done: 0, more: false },
            "{which:?}"
        );
    }
    assert_eq!(admin.discard_all(none, 10).await.unwrap().done, 0, "nothing is meant");
    letters(&admin, 7).await;
    assert_eq!(admin.discard_all(unreadable, 10).await.unwrap().done, 1);
    let first = admin.discard_all(of_a.clone(), 2).await.unwrap();
    assert_eq!((first.done, first.more), (2, true), "no more than wanted at once");
    let rest = admin.discard_all(of_a, 2).await.unwrap();
    assert_eq!((rest.done, rest.more), (1, false));
    let left = letters(&admin, 3).await;
    assert!(left.iter().all(|letter| letter.key.as_deref() != Some("a")), "{left:?}");

    // They are rejected again: a replay ends all the same.
    assert_eq!(admin.replay_all(typed, 1_000).await.unwrap().done, 3);
    letters(&admin, 3).await;
    let progress = admin.discard_all(all, 1_000).await.unwrap();
    assert_eq!((progress.done, progress.more), (3, false));
    letters(&admin, 0).await;
}

#[sqlx::test(migrations = false)]
async fn many_dead_letters_are_looked_at_with_few_questions_and_none_is_passed_over(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let (proxy, url) = stage.vhost.proxied().await;
    let admin = QueueAdmin::new(&stage.consumer, BrokerConfig::new(url, "shop.events"));
    let letter = |n: i32| {
        let body = format!(r#"{{"specversion":"1.0","type":"shop.test.gone.v1","subject":"{}"}}"#, n % 10);
        let id = format!("letter-{n:03}");
        (stage.dead(), body.into_bytes(), BasicProperties::default().with_message_id(id.into()))
    };
    stage.vhost.publish_all("", &(0..1_000).map(letter).collect::<Vec<_>>()).await;
    let ids = |letters: Vec<DeadLetter>| letters.into_iter().map(|letter| letter.id).collect::<Vec<_>>();
    let expected = (0..500).map(|n| format!("letter-{n:03}")).collect::<Vec<_>>();
    proxy.never_cut();
    assert_eq!(ids(admin.dead_letters(500).await.unwrap().data), expected, "the oldest first");

    let of_seven = DeadLetterSelection { key: Some("7".to_owned()), ..DeadLetterSelection::default() };
    let counted = admin.count(of_seven.clone()).await.unwrap();
    assert_eq!((counted.looked_at, counted.matched, counted.more), (1_000, 100, false));
    assert!(proxy.calls() < 300, "{} questions for 1,500 looks", proxy.calls());
    let discarded = admin.discard_all(of_seven, 1_000).await.unwrap();
    assert_eq!((discarded.looked_at, discarded.done, discarded.more), (1_000, 100, false));
    let all = DeadLetterSelection { all: true, ..DeadLetterSelection::default() };
    let replayed = admin.replay_all(all.clone(), 300).await.unwrap();
    assert_eq!((replayed.count, replayed.done, replayed.more), (900, 300, true));
    let last = admin.discard("letter-999").await.unwrap();
    assert_eq!(last.map(|letter| letter.id).as_deref(), Some("letter-999"));
    let rest = admin.discard_all(all, 2_000).await.unwrap();
    // Those that were replayed may be back.
    assert!(rest.count >= 599 && rest.done == rest.count, "{rest:?}");
}

#[sqlx::test(migrations = false)]
async fn looking_often_and_by_several_at_once_loses_nothing(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let (one, other) = (queue_admin(&stage), queue_admin(&stage));
    let ids: Vec<String> = (1..=5).map(|version| version.to_string()).collect();
    for key in &ids {
        stage.send(&raised(key, 1, "reject")).await;
    }
    let mut expected: Vec<_> =
        letters(&one, 5).await.into_iter().map(|letter| (letter.id, letter.reason)).collect();
    expected.sort();
    // Beyond the number of deliveries after which newer brokers drop a message, and a copy is made.
    for _ in 0..12 {
        let (three, all, rest) =
            tokio::join!(one.dead_letters(3), one.dead_letters(100), other.dead_letters(100));
        assert!(three.unwrap().data.len() <= 3);
        assert!(all.unwrap().data.len() + rest.unwrap().data.len() <= 10);
    }
    let mut after: Vec<_> =
        letters(&one, 5).await.into_iter().map(|letter| (letter.id, letter.reason)).collect();
    after.sort();
    assert_eq!(after, expected);
    let dead = stage.vhost.take(&stage.dead()).await.unwrap();
    let deliveries =
        format!("{:?}", dead.properties.headers().as_ref().unwrap().inner().get("x-delivery-count"));
    let small = (0..=11).any(|count| deliveries == format!("Some(LongLongInt({count}))"));
    assert!(small || deliveries == "None", "no message is delivered for ever: {deliveries}");
}

#[sqlx::test(migrations = false)]
async fn the_depths_of_all_queues_are_seen_without_touching_a_message(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    stage.send(&raised("a", 1, "reject")).await;
    let seen = eventually("one is dead", LONG, async || {
        let depths = admin.depths().await.unwrap();
        (depths.dead == 1).then_some(depths)
    })
    .await;
    assert_eq!((seen.consumers, seen.ready), (1, 0));
    let receipts = stage.health.receipts();
    assert_eq!((receipts.first, receipts.repeated), (0, 0));
    stage.send(&raised("c", 1, "")).await;
    stage.until_applied(1).await;
    eventually("it is counted", LONG, async || (stage.health.receipts().first == 1).then_some(())).await;
    eventually("nothing is in hand", LONG, async || (stage.health.in_hand() == 0).then_some(())).await;

    let nowhere = QueueAdmin::new("counter", BrokerConfig::new("amqp://127.0.0.1:1/%2f", "shop.events"));
    assert!(nowhere.depths().await.unwrap_err().to_string().contains("connect"), "it says why");
    assert!(nowhere.dead_letters(1).await.is_err());
}

#[sqlx::test(migrations = false)]
async fn an_event_whose_id_came_from_another_source_is_dead_lettered_and_not_taken_for_a_repeat(
    pool: PgPool,
) {
    let stage = Stage::set(pool).await;
    let admin = queue_admin(&stage);
    let first = raised("a", 1, "");
    stage.send(&first).await;
    stage.until_applied(1).await;
    let other = Sent { id: first.id, source: "/elsewhere", ..raised("b", 1, "") };
    stage.send(&other).await;
    let seen = letters(&admin, 1).await;
    assert_eq!(seen[0].reason, "another source has sent an event with this id");
    stage.send(&first).await;
    stage.until_received("repeated", 1).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 1)]);
}
