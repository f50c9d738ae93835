//! Makes the changes of a batch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Progress, Row};
use crate::clients::{CatalogClient, ClientError};
use crate::session::User;

/// Changes that are made at the same time.
const CONCURRENCY: usize = 4;

/// How often a change is tried while the catalogue does not answer.
const TRIES: u32 = 5;

/// The pause after the first try; it doubles after each try.
const PAUSE: Duration = Duration::from_millis(250);

/// Makes the pending changes of a batch, until none is left or `stop` is cancelled.
///
/// With `again` it also tries the failed changes. A product that had changed is read again, and its current price is
/// the one that changes.
pub(super) async fn run(
    batch: Arc<Batch>,
    catalog: CatalogClient,
    user: User,
    again: bool,
    stop: CancellationToken,
) {
    let pending = stream::iter(batch.pending(again));
    let changes = pending.for_each_concurrent(CONCURRENCY, async |(index, row)| {
        batch.record(index, change(&batch, &catalog, &user, row).await);
    });
    stop.run_until_cancelled(changes).await;
    batch.stop();
}

async fn change(batch: &Batch, catalog: &CatalogClient, user: &User, mut row: Row) -> Row {
    if let Progress::Failed { is_stale: true, .. } = row.progress {
        match catalog.item(row.product.0).await {
            Ok(item) => row = Row::new(&item, batch.percent),
            Err(error) => return Row { progress: failed(&error), ..row },
        }
    }
    let mut tries = 0;
    loop {
        tries += 1;
        row.progress = match catalog.change_price(user, row.product, row.new, &row.key).await {
            Ok(_) => Progress::Done,
            // The outcome is unknown. A repeated key makes the change once.
            Err(error) if is_transient(&error) && tries < TRIES => {
                tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
                continue;
            }
            Err(error) => failed(&error),
        };
        return row;
    }
}

/// The catalogue is unavailable, or still works on a request with the same key.
fn is_transient(error: &ClientError) -> bool {
    error.is_unavailable() || error.is(StatusCode::CONFLICT)
}

fn failed(error: &ClientError) -> Progress {
    let is_stale = error.is(StatusCode::PRECONDITION_FAILED);
    let reason = if is_stale {
        "Somebody else changed the product meanwhile.".to_owned()
    } else if error.is(StatusCode::NOT_FOUND) {
        "The product is not sold any more.".to_owned()
    } else {
        error.message()
    };
    Progress::Failed { reason, is_stale }
}
