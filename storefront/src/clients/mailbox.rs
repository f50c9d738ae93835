//! The mailbox of development.

use anyhow::ensure;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_kit::settings::Mode;

use super::{Client, Result};
use crate::settings::Settings;

/// The most mails that are read.
const MAILS: &str = "50";

/// A client of the mailbox. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct MailboxClient(Client);

/// A mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) received_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct Mails {
    messages: Vec<Mail>,
}

impl MailboxClient {
    /// A client of the configured mailbox; `None` without one. In production mode there must be none: everybody sees it.
    pub(crate) fn new(settings: &Settings, mode: Mode) -> anyhow::Result<Option<Self>> {
        let Some(mailbox) = &settings.mailbox else { return Ok(None) };
        ensure!(
            mode == Mode::Development,
            "setting mailbox.url (APP__MAILBOX__URL) shows everybody's mails to everybody: remove it, or set \
             APP__MODE=development"
        );
        Client::new("mailbox", "APP__MAILBOX__URL", &mailbox.url).map(|client| Some(Self(client)))
    }

    /// The newest mails, newest first; those for this address, if it is not empty.
    pub(crate) async fn mails(&self, to: &str) -> Result<Vec<Mail>> {
        let mut query = vec![("limit", MAILS.to_owned())];
        if !to.is_empty() {
            query.push(("to", to.to_owned()));
        }
        Ok(self.0.get(&["api", "messages"], &query).json::<Mails>().await?.messages)
    }
}
