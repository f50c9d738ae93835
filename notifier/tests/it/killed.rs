//! The process is killed at each point of a mail's way: it is sent, and what is sent twice has one `Message-ID`.
#![cfg(feature = "crash-points")]

use std::os::unix::process::ExitStatusExt;

use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{ANN, registered, until};
use crate::events::Shop;

async fn killed_at(pool: PgPool, point: &str, times: usize) {
    let shop = Shop::set_up(&pool).await;
    let mut doomed = shop.start(Some(point)).await;
    let user = Uuid::now_v7();
    let event = shop.announce(user, &registered(user, "Ann", ANN)).await;
    assert_eq!(doomed.ended().await.signal(), Some(9), "killed at {point}");

    let _again = shop.start(None).await;
    until(&pool, event, "sent").await;
    let mails = shop.mailbox.mails().await;
    assert_eq!(mails.len(), times, "after {point}: {mails:?}");
    assert!(mails.iter().all(|mail| mail["messageId"] == format!("{event}@shop.example")), "{mails:?}");
}

macro_rules! killed {
    ($($name:ident: $point:literal, $times:literal;)*) => {
        $(
            #[sqlx::test(migrator = "notifier::MIGRATIONS")]
            async fn $name(pool: PgPool) {
                killed_at(pool, $point, $times).await;
            }
        )*
    };
}

killed! {
    killed_with_the_row_written_the_mail_is_sent_once: "notifier.row_written", 1;
    killed_before_the_mail_is_sent_it_is_sent_once: "notifier.before_send", 1;
    killed_after_data_and_before_the_outcome_it_is_sent_again_with_the_same_message_id: "notifier.after_send", 2;
    killed_after_the_outcome_the_mail_is_sent_once: "notifier.after_commit", 1;
}
