//! Users come and go.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::check_email;
use crate::addressees;
use crate::mails::content::name;
use crate::mails::{Content, store};

/// Remembers a user's address, and welcomes them.
#[derive(Debug, Clone, Copy)]
pub struct Welcome;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    user_id: Uuid,
    user_name: String,
    email: String,
}

impl Handler for Welcome {
    const EVENT_TYPE: &'static str = "shop.accounts.user_registered.v1";
    type Payload = UserRegistered;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<UserRegistered>,
    ) -> Result<(), HandleError> {
        let UserRegistered { user_id, user_name, email } = &event.data;
        let user_id = user_id.to_string();
        event.check_key(&user_id)?;
        check_email(email)?;
        addressees::remember(tx, &user_id, email).await?;
        let content = Content::Welcome { user_name: name(user_name) };
        store::write(tx, event.id, &user_id, email, &content).await?;
        event_bus::crash_point!("notifier.row_written");
        Ok(())
    }
}

/// Remembers the address that a user has shown to be theirs.
#[derive(Debug, Clone, Copy)]
pub struct NoteProof;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserValidated {
    user_id: Uuid,
    email: String,
}

impl Handler for NoteProof {
    const EVENT_TYPE: &'static str = "shop.accounts.user_validated.v1";
    type Payload = UserValidated;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<UserValidated>,
    ) -> Result<(), HandleError> {
        let UserValidated { user_id, email } = &event.data;
        let user_id = user_id.to_string();
        event.check_key(&user_id)?;
        check_email(email)?;
        addressees::remember(tx, &user_id, email).await?;
        Ok(())
    }
}

/// Says to an address that it is registered already.
#[derive(Debug, Clone, Copy)]
pub struct SayTaken;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationRejected {
    user_id: Uuid,
    email: String,
}

impl Handler for SayTaken {
    const EVENT_TYPE: &'static str = "shop.accounts.registration_rejected.v1";
    type Payload = RegistrationRejected;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<RegistrationRejected>,
    ) -> Result<(), HandleError> {
        let RegistrationRejected { user_id, email } = &event.data;
        let user_id = user_id.to_string();
        event.check_key(&user_id)?;
        check_email(email)?;
        // The address is another user's: it is not remembered for this one.
        store::write(tx, event.id, &user_id, email, &Content::AddressTaken).await?;
        Ok(())
    }
}

/// Forgets a user.
#[derive(Debug, Clone, Copy)]
pub struct ForgetUser;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDeleted {
    user_id: Uuid,
}

impl Handler for ForgetUser {
    const EVENT_TYPE: &'static str = "shop.accounts.user_deleted.v1";
    type Payload = UserDeleted;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<UserDeleted>,
    ) -> Result<(), HandleError> {
        let user_id = event.data.user_id.to_string();
        event.check_key(&user_id)?;
        addressees::forget(tx, &user_id).await?;
        Ok(())
    }
}
