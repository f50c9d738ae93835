//! The events that this service listens to: its own.
//!
//! | event | handler |
//! |---|---|
//! | `shop.accounts.register_user.v1` | [`Register`]: the user is there, or rejected |
//! | `shop.accounts.user_deleted.v1` | [`Forget`]: name and address go out of the outbox's log |

use event_bus::consumer::SubscribeError;
use event_bus::{HandleError, Handler, Received, Subscriber};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::users::{UserId, erase, register};

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber.handle(Register)?.handle(Forget)
}

/// The field that is read.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutUser {
    user_id: UserId,
}

/// Does a registration.
#[derive(Debug, Clone, Copy)]
pub struct Register;

impl Handler for Register {
    const EVENT_TYPE: &'static str = "shop.accounts.register_user.v1";
    type Payload = AboutUser;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<AboutUser>,
    ) -> Result<(), HandleError> {
        let user_id = checked(event)?;
        let outcome = register::Command { user_id, trace: &event.trace }.run(tx).await?;
        tracing::debug!(user = %user_id, ?outcome, "a registration is done");
        Ok(())
    }
}

/// Forgets a user in the log of this service's outbox.
#[derive(Debug, Clone, Copy)]
pub struct Forget;

impl Handler for Forget {
    const EVENT_TYPE: &'static str = "shop.accounts.user_deleted.v1";
    type Payload = AboutUser;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<AboutUser>,
    ) -> Result<(), HandleError> {
        Ok(erase::forget(tx, checked(event)?).await?)
    }
}

/// The user that an event is about, which must be the key that orders it.
fn checked(event: &Received<AboutUser>) -> Result<UserId, HandleError> {
    let user_id = event.data.user_id;
    if event.key == user_id.to_string() {
        Ok(user_id)
    } else {
        Err(HandleError::reject(format!("an event with the key {:?} is about user {user_id}", event.key)))
    }
}
