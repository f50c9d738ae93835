//! Users come and go.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::baskets::{self, BuyerId, BuyerIdError};
use crate::{digests, lists, public_lists};

/// Gives a new user their first list.
#[derive(Debug, Clone, Copy)]
pub struct GiveFirstList;

/// Erases what a user who is gone had: lists, cart, alerts and the wish for digests.
#[derive(Debug, Clone, Copy)]
pub struct EraseBuyer;

/// The field that is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    user_id: Uuid,
}

/// The user as a buyer.
fn buyer(event: &Received<User>) -> Result<BuyerId, HandleError> {
    let id = event.data.user_id;
    event.check_key(id)?;
    id.to_string().parse().map_err(|error: BuyerIdError| HandleError::reject(error))
}

impl Handler for GiveFirstList {
    const EVENT_TYPE: &'static str = "shop.accounts.user_registered.v1";
    type Payload = User;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<User>,
    ) -> Result<(), HandleError> {
        // It is private: nobody else in this service need hear of it.
        Ok(lists::store::create_first(tx, &buyer(event)?, event.id).await?)
    }
}

impl Handler for EraseBuyer {
    const EVENT_TYPE: &'static str = "shop.accounts.user_deleted.v1";
    type Payload = User;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<User>,
    ) -> Result<(), HandleError> {
        let buyer = buyer(event)?;
        for gone in lists::store::erase(tx, &buyer).await? {
            public_lists::hear(tx, &gone).await?;
        }
        digests::erase(tx, &buyer).await?;
        Ok(baskets::store::erase(tx, &buyer).await?)
    }
}
