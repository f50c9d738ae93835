//! What sends mails, beside a suite.

use serde_json::Value;
use service_kit::link_token::DEVELOPMENT_SECRET;
use test_kit::Process;

use crate::{
    Database, Settings, Suite,
    program::{migrate, start},
};

/// The notifier and the mailbox that its mails come to, as processes.
pub struct Mail {
    /// The notifier's process.
    pub notifier: Process,
    /// The mailbox's.
    pub mailbox: Process,
    /// The notifier's database.
    pub database: Database,
    smtp: String,
    storefront: String,
}

impl Mail {
    /// Makes the database, and starts the processes.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open(suite: &Suite) -> Self {
        Self::open_with(suite, &[]).await
    }

    /// The same, with these settings over the notifier's usual ones.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open_with(suite: &Suite, more: Settings<'_>) -> Self {
        Self::with(suite, Self::start_mailbox(), "http://127.0.0.1:5100/", more).await
    }

    /// Starts a mailbox alone.
    ///
    /// # Panics
    /// When its program is not there.
    pub fn start_mailbox() -> Process {
        start("mailbox", &[("APP__SMTP__PORT", "0")])
    }

    /// Makes the database, and starts a notifier whose mails come to this mailbox and lead to this storefront.
    ///
    /// # Panics
    /// When the test servers, or the service's program, are not there.
    pub async fn from_mailbox(suite: &Suite, mailbox: Process, storefront: &str) -> Self {
        Self::with(suite, mailbox, storefront, &[]).await
    }

    async fn with(suite: &Suite, mailbox: Process, storefront: &str, more: Settings<'_>) -> Self {
        let database = Database::create("notifier").await;
        let status = reqwest::get(format!("{}/api/status", mailbox.url)).await.unwrap();
        let status: Value = status.json().await.unwrap();
        let smtp = format!("smtp://{}", status["smtp"].as_str().expect("where it takes mail"));
        let usual = settings(suite, &database, &smtp, storefront);
        migrate("notifier", &usual);
        let notifier = start("notifier", &[&usual, more].concat());
        notifier.until_ready(true).await;
        Self { notifier, mailbox, database, smtp, storefront: storefront.to_owned() }
    }

    /// Starts the notifier again, after it was killed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_notifier(&mut self, suite: &Suite) {
        self.restart_notifier_with(suite, &[]).await;
    }

    /// The same, with these settings over the usual ones.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_notifier_with(&mut self, suite: &Suite, more: Settings<'_>) {
        let usual = settings(suite, &self.database, &self.smtp, &self.storefront);
        self.notifier = start("notifier", &[&usual, more].concat());
        self.notifier.until_ready(true).await;
    }

    /// The mails of this subject to this address; the newest come first.
    ///
    /// # Panics
    /// When the mailbox does not answer.
    pub async fn to(&self, email: &str, subject: &str) -> Vec<Value> {
        let answer = reqwest::get(format!("{}/api/messages?to={email}", self.mailbox.url)).await.unwrap();
        let mails: Value = answer.json().await.unwrap();
        let all = mails["messages"].as_array().expect("mails").iter();
        all.filter(|mail| mail["subject"] == subject).cloned().collect()
    }
}

fn settings<'a>(
    suite: &'a Suite,
    database: &'a Database,
    smtp: &'a str,
    storefront: &'a str,
) -> [(&'a str, &'a str); 5] {
    [
        ("APP__DATABASE__URL", &database.url),
        ("APP__BROKER__URL", &suite.vhost.url),
        ("APP__SMTP__URL", smtp),
        ("APP__STOREFRONT__URL", storefront),
        ("APP__LINKS__SECRET", DEVELOPMENT_SECRET),
    ]
}
