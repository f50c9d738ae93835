//! Versions that do not rise.

use sqlx::PgPool;

use crate::support::{NOTED, Stage, raised};

#[sqlx::test(migrations = false)]
async fn events_of_a_key_with_one_version_all_have_their_effect_unless_only_the_newest_counts(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for _ in 0..3 {
        stage.send(&raised("constant", 1, "")).await;
    }
    stage.until_applied(3).await;
    assert_eq!(stage.receipts("stale"), 0);

    for _ in 0..3 {
        let mut event = raised("constant", 1, "");
        event.event_type = NOTED;
        stage.send(&event).await;
    }
    stage.until_applied(4).await;
    stage.until_received("stale", 2).await;
}
