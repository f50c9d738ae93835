//! What happens to lists, and who hears of it.

use std::pin::Pin;

use sqlx::PgConnection;

use super::{List, ListId};

/// A fact about a list. It stays inside of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEvent {
    /// It is there, or has changed: this is what it is now.
    Changed(List),
    /// It is gone.
    Deleted(ListId),
}

/// Hears of what happened, in the transaction that it happens in: an error undoes both.
pub type Listen = for<'a> fn(
    &'a mut PgConnection,
    &'a ListEvent,
) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;

/// Everybody who hears of what happens to lists.
#[derive(Debug, Clone)]
pub struct Listeners(pub Vec<Listen>);

impl Listeners {
    /// Tells all of them.
    pub async fn tell(&self, tx: &mut PgConnection, event: &ListEvent) -> Result<(), sqlx::Error> {
        for listen in &self.0 {
            listen(tx, event).await?;
        }
        Ok(())
    }
}
