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
        let user_id = event.data.user_id;
        event.check_key(user_id)?;
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
        event.check_key(event.data.user_id)?;
        Ok(erase::forget(tx, event.data.user_id).await?)
    }
}
