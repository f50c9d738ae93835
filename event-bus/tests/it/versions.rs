//! Versions that do not rise.

use sqlx::PgPool;

use crate::support::{NOTED, Stage, raised};

#[sqlx::test(migrations = false)]
async fn events_of_a_key_with_one_version_all_have_their_effect(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for _ in 0..3 {
        stage.send(&raised("constant", 1, "")).await;
    }
    stage.until_applied(3).await;
    assert_eq!(stage.receipts("stale"), 0);

    // Where only the newest counts, the later one of equal versions is newer, and an older version is not.
    for version in [2, 2, 2, 1] {
        let mut event = raised("constant", version, "");
        event.event_type = NOTED;
        stage.send(&event).await;
    }
    stage.until_applied(6).await;
    stage.until_received("stale", 1).await;
}
