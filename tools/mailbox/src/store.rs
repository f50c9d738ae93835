//! The newest mails, in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use serde::Serialize;
use utoipa::ToSchema;

/// The most mails that are kept; the oldest go first.
const MAILS: usize = 10_000;
/// The most bytes that the kept mails have together.
const BYTES: usize = 64 << 20;

/// A mail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    /// The number of its arrival, from 1.
    #[serde(skip)]
    pub(crate) number: u64,
    /// `Message-ID`, without its brackets.
    pub(crate) message_id: Option<String>,
    /// Who has sent it, as the envelope says.
    pub(crate) from: String,
    /// Whom it is for, as the envelope says.
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    /// The part that is plain text.
    pub(crate) text: String,
    /// The part that is HTML.
    pub(crate) html: String,
    pub(crate) received_at: DateTime<Utc>,
    #[serde(skip)]
    bytes: usize,
}

/// The mails of a server.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Mails>);

#[derive(Debug, Default)]
struct Mails {
    kept: VecDeque<Mail>,
    bytes: usize,
    received: u64,
}

impl Store {
    /// Keeps a mail; `false` if it is none.
    pub(crate) fn keep(&self, from: &str, to: &[String], raw: &[u8]) -> bool {
        let Some(parsed) = MessageParser::default().parse(raw) else { return false };
        let part = |body: Option<std::borrow::Cow<'_, str>>| body.unwrap_or_default().into_owned();
        let mail = Mail {
            number: 0,
            message_id: parsed.message_id().map(str::to_owned),
            from: from.to_owned(),
            to: to.to_vec(),
            subject: parsed.subject().unwrap_or_default().to_owned(),
            text: part(parsed.body_text(0)),
            html: part(parsed.body_html(0)),
            received_at: Utc::now(),
            bytes: raw.len(),
        };
        self.lock().add(mail);
        true
    }

    /// The newest mails, newest first: those for this address, if one is given.
    pub(crate) fn newest(&self, to: Option<&str>, limit: usize) -> Vec<Mail> {
        let is_for = |mail: &&Mail| match to {
            Some(wanted) => mail.to.iter().any(|address| address.eq_ignore_ascii_case(wanted)),
            None => true,
        };
        self.lock().kept.iter().rev().filter(is_for).take(limit).cloned().collect()
    }

    /// The mail of this number, if it is still kept.
    pub(crate) fn find(&self, number: u64) -> Option<Mail> {
        self.lock().kept.iter().find(|mail| mail.number == number).cloned()
    }

    /// Forgets all mails.
    pub(crate) fn clear(&self) {
        let mut mails = self.lock();
        mails.kept.clear();
        mails.bytes = 0;
    }

    /// How many mails have come since the start.
    pub(crate) fn received(&self) -> u64 {
        self.lock().received
    }

    fn lock(&self) -> MutexGuard<'_, Mails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mails {
    fn add(&mut self, mut mail: Mail) {
        self.received += 1;
        mail.number = self.received;
        self.bytes += mail.bytes;
        self.kept.push_back(mail);
        while self.kept.len() > MAILS || self.bytes > BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}
