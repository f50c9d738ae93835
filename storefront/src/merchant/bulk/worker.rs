//! Makes the changes of a batch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Progress, Row};
use crate::backends::{CatalogApi, Trouble};
use crate::session::User;

/// Changes that are under way at once.
const AT_ONCE: usize = 4;

/// How often a change is asked for when the catalogue does not answer.
const TRIES: u32 = 5;

/// The pause after the first time; it doubles with each.
const PAUSE: Duration = Duration::from_millis(250);

/// Makes what is still to do of a batch, until it is done or `ending` is cancelled.
///
/// `again`: also tries what has failed before. A product that had changed meanwhile is read again, and its
/// present price is what changes.
pub(super) async fn run(
    batch: Arc<Batch>,
    catalog: CatalogApi,
    user: User,
    again: bool,
    ending: CancellationToken,
) {
    let changes = stream::iter(batch.pending(again)).for_each_concurrent(AT_ONCE, async |(place, row)| {
        let row = change(&batch, &catalog, &user, row).await;
        batch.record(place, row);
    });
    ending.run_until_cancelled(changes).await;
    batch.end();
}

async fn change(batch: &Batch, catalog: &CatalogApi, user: &User, mut row: Row) -> Row {
    if let Progress::Failed { is_stale: true, .. } = row.progress {
        match catalog.item(row.product.0).await {
            Ok(item) => row = Row::new(&item, batch.percent),
            Err(trouble) => return Row { progress: failed(&trouble), ..row },
        }
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let outcome = catalog.change_price(user, row.product, row.new, &row.key).await;
        row.progress = match outcome {
            Ok(_) => Progress::Done,
            // Nobody knows whether it was made: under the same key it is made once.
            Err(trouble) if is_passing(&trouble) && tries < TRIES => {
                tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
                continue;
            }
            Err(trouble) => failed(&trouble),
        };
        return row;
    }
}

/// Away, or still at work on the same request.
fn is_passing(trouble: &Trouble) -> bool {
    trouble.is_away() || trouble.is(StatusCode::CONFLICT)
}

fn failed(trouble: &Trouble) -> Progress {
    let is_stale = trouble.is(StatusCode::PRECONDITION_FAILED);
    let reason = match trouble {
        _ if is_stale => "Somebody else changed the product meanwhile.".to_owned(),
        _ if trouble.is(StatusCode::NOT_FOUND) => "The product is not sold any more.".to_owned(),
        _ => trouble.sentence(),
    };
    Progress::Failed { reason, is_stale }
}
