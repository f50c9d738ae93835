//! The settings that only this service has.

use std::borrow::Cow;

use anyhow::{Context, ensure};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::link_token::LinkSettings;
use service_kit::settings::{Mode, check_ranges};
use service_kit::worker::Limits;
use url::Url;
use utoipa::ToSchema;

/// The sections beside those that every service has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The mail server.
    smtp: Option<SmtpSettings>,
    /// What links in mails lead to.
    storefront: Option<StorefrontSettings>,
    /// How the links in mails are signed.
    #[serde(default)]
    pub links: LinkSettings,
    /// How mails are sent.
    #[serde(default)]
    pub worker: WorkerSettings,
}

/// The mail server.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Its address: `smtps://user:password@mail.example` for TLS from the start, `smtp://…?tls=required` for STARTTLS,
    /// `smtp://…` for none, which production mode refuses.
    #[schema(value_type = String)]
    pub url: SecretString,
    /// Whom mails are from. Default `Shop <shop@shop.example>`.
    #[serde(default = "shop")]
    #[schema(default = "Shop <shop@shop.example>")]
    pub from: String,
}

/// What links in mails lead to.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorefrontSettings {
    /// The storefront's address as buyers know it, such as `https://shop.example`.
    pub url: String,
}

/// How mails are sent.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Mails that are sent at once, in this process. Default 4.
    pub concurrency: usize,
    /// How long sending a mail may take, in milliseconds. Default 30,000.
    pub deadline_ms: u64,
    /// How long a mail belongs to the worker that took it, in milliseconds; at least 5,000 more than the deadline.
    /// After that another one sends it. Default 45,000.
    pub lease_ms: u64,
    /// How often to look for mails that are due, in milliseconds; an event wakes the worker earlier. Default 1,000.
    pub poll_ms: u64,
    /// The pause after the first try that came to nothing, in milliseconds; it doubles each time. Default 1,000.
    pub first_pause_ms: u64,
    /// The longest such pause, in milliseconds. Default 300,000.
    pub longest_pause_ms: u64,
    /// How often the server may refuse a mail for now (4xx) until it has failed. A server that cannot be reached is no
    /// refusal. Default 20.
    pub refusals: i32,
    /// After how many seconds a mail that was not sent is reported as a problem. Default 300.
    pub overdue_seconds: u32,
    /// For how many days it is remembered what became of a mail; one that has failed is then forgotten too. Default 30.
    pub remember_days: u32,
}

fn shop() -> String {
    "Shop <shop@shop.example>".to_owned()
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            deadline_ms: 30_000,
            lease_ms: 45_000,
            poll_ms: 1_000,
            first_pause_ms: 1_000,
            longest_pause_ms: 300_000,
            refusals: 20,
            overdue_seconds: 300,
            remember_days: 30,
        }
    }
}

impl Settings {
    /// The mail server's section; an error names what to set.
    pub fn smtp(&self, mode: Mode) -> anyhow::Result<&SmtpSettings> {
        let smtp = self.smtp.as_ref().context("setting smtp.url is missing: set APP__SMTP__URL")?;
        let url = smtp.url()?;
        let is_encrypted = url.scheme() == "smtps"
            || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
        ensure!(
            is_encrypted || mode == Mode::Development,
            "setting smtp.url would send mails unencrypted: use smtps://, add ?tls=required, or set APP__MODE=development"
        );
        smtp.from()?;
        Ok(smtp)
    }

    /// The storefront's address; an error names what to set.
    pub fn storefront(&self) -> anyhow::Result<Url> {
        let storefront = self
            .storefront
            .as_ref()
            .context("setting storefront.url is missing: set APP__STOREFRONT__URL")?;
        let url = Url::parse(&storefront.url).context("setting storefront.url (APP__STOREFRONT__URL)")?;
        ensure!(
            ["http", "https"].contains(&url.scheme()),
            "setting storefront.url must be http:// or https://"
        );
        Ok(url)
    }
}

impl SmtpSettings {
    /// The server's address. The error does not show the password.
    pub fn url(&self) -> anyhow::Result<Url> {
        let url = Url::parse(self.url.expose_secret()).context("setting smtp.url (APP__SMTP__URL)")?;
        let is_smtp = ["smtp", "smtps"].contains(&url.scheme()) && url.has_host();
        ensure!(is_smtp, "setting smtp.url must be smtp://host or smtps://host");
        // A word that is misspelt would send in clear.
        let is_known = |(key, value): (Cow<'_, str>, Cow<'_, str>)| key == "tls" && value == "required";
        let is_plain = ["", "/"].contains(&url.path()) && url.fragment().is_none();
        ensure!(
            is_plain && url.query_pairs().all(is_known),
            "setting smtp.url may have nothing after the host but ?tls=required"
        );
        Ok(url)
    }

    /// Whom mails are from.
    pub fn from(&self) -> anyhow::Result<Mailbox> {
        self.from.parse().context("setting smtp.from (APP__SMTP__FROM) is no address")
    }
}

impl WorkerSettings {
    /// Refuses numbers that cannot be, and those that contradict each other; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        self.limits().check()?;
        check_ranges(&[
            ("worker.refusals", u64::try_from(self.refusals).unwrap_or(0), 1, i32::MAX.unsigned_abs().into()),
            ("worker.remember_days", self.remember_days.into(), 1, 3_650),
        ])
    }

    /// The numbers of the worker itself.
    pub fn limits(&self) -> Limits {
        let Self { concurrency, deadline_ms, lease_ms, poll_ms, first_pause_ms, longest_pause_ms, .. } =
            *self;
        Limits { concurrency, deadline_ms, lease_ms, poll_ms, first_pause_ms, longest_pause_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        let smtp = SmtpSettings { url: url.into(), from: shop() };
        let (links, worker) = (LinkSettings::default(), WorkerSettings::default());
        Settings { smtp: Some(smtp), storefront: None, links, worker }
    }

    #[test]
    fn production_sends_no_mail_unencrypted() {
        for (url, is_fine) in [
            ("smtps://user:secret@mail.example", true),
            ("smtp://mail.example:587?tls=required", true),
            ("smtp://mail.example", false),
        ] {
            assert_eq!(settings(url).smtp(Mode::Production).is_ok(), is_fine, "{url}");
            assert!(settings(url).smtp(Mode::Development).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_wrong_address_of_the_server_is_refused_without_its_password() {
        for url in [
            "http://user:secret@mail.example",
            "smtp:secret",
            "secret",
            "smtp://user:secret@mail.example?tls=requierd",
            "smtp://user:secret@mail.example?tls=required&tls=",
            "smtp://user:secret@mail.example/in",
            "smtp://user:secret@mail.example#tls=required",
        ] {
            let error = format!("{:#}", settings(url).smtp(Mode::Development).unwrap_err());
            assert!(error.contains("smtp.url") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_lease_outlasts_sending_and_its_recording() {
        assert!(WorkerSettings::default().check().is_ok());
        let short = WorkerSettings { lease_ms: 31_000, ..WorkerSettings::default() };
        assert!(short.check().unwrap_err().to_string().contains("worker.lease_ms"));
    }

    #[test]
    fn numbers_that_cannot_be_are_named_by_their_variable() {
        let usual = WorkerSettings::default();
        for (wrong, variable) in [
            (WorkerSettings { refusals: 0, ..usual }, "APP__WORKER__REFUSALS"),
            (WorkerSettings { refusals: -1, ..usual }, "APP__WORKER__REFUSALS"),
            (WorkerSettings { remember_days: 0, ..usual }, "APP__WORKER__REMEMBER_DAYS"),
            (WorkerSettings { remember_days: u32::MAX, ..usual }, "APP__WORKER__REMEMBER_DAYS"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(variable), "{wrong:?}");
        }
    }
}
