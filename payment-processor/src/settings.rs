//! The settings that only this service has.

use anyhow::Context;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::settings::check_ranges;
use service_kit::worker::Limits;
use utoipa::ToSchema;

/// The sections beside those that every service has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The payment provider.
    provider: Option<ProviderSettings>,
    /// How the provider is asked.
    #[serde(default)]
    pub worker: WorkerSettings,
}

/// Where the payment provider is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// The base address of the provider's API, such as `https://payments.example/v1`.
    pub url: String,
    /// What the provider knows this shop by: sent as a bearer token. Default none.
    #[schema(value_type = Option<String>, default = json!(null))]
    pub key: Option<SecretString>,
}

/// How the provider is asked.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Calls under way at once, in this process. Default 16.
    pub concurrency: usize,
    /// How long a call may take, in milliseconds. Default 8,000.
    pub deadline_ms: u64,
    /// How long a payment belongs to the worker that took it, in milliseconds; at least 5,000 more than the deadline.
    /// After that another one asks again. Default 20,000.
    pub lease_ms: u64,
    /// How often to look for payments that are due, in milliseconds; an event wakes the worker earlier. Default 1,000.
    pub poll_ms: u64,
    /// The pause after the first answer that tells no outcome, in milliseconds; it doubles each time. Default 200.
    pub first_pause_ms: u64,
    /// The longest such pause, in milliseconds. Default 10,000.
    pub longest_pause_ms: u64,
    /// How often the provider may answer with another amount or currency until the payment is held for an operator.
    /// Default 3.
    pub wrong_answers: i32,
    /// After how many seconds without an outcome a payment is reported as a problem. Default 60.
    pub overdue_seconds: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            deadline_ms: 8_000,
            lease_ms: 20_000,
            poll_ms: 1_000,
            first_pause_ms: 200,
            longest_pause_ms: 10_000,
            wrong_answers: 3,
            overdue_seconds: 60,
        }
    }
}

impl Settings {
    /// The provider's section; an error names what to set.
    pub fn provider(&self) -> anyhow::Result<&ProviderSettings> {
        self.provider.as_ref().context("setting provider.url is missing: set APP__PROVIDER__URL")
    }
}

impl WorkerSettings {
    /// Refuses numbers that cannot be, and those that contradict each other; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        self.limits().check()?;
        let wrong_answers = u64::try_from(self.wrong_answers).unwrap_or(0);
        check_ranges(&[("worker.wrong_answers", wrong_answers, 1, i32::MAX.unsigned_abs().into())])
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

    #[test]
    fn a_lease_outlasts_a_call_and_its_recording() {
        assert!(WorkerSettings::default().check().is_ok());
        let short = WorkerSettings { lease_ms: 9_000, ..WorkerSettings::default() };
        assert!(short.check().unwrap_err().to_string().contains("worker.lease_ms"));
    }

    #[test]
    fn numbers_that_cannot_be_are_named_by_their_variable() {
        let usual = WorkerSettings::default();
        for (wrong, variable) in [
            (WorkerSettings { lease_ms: u64::MAX, ..usual }, "APP__WORKER__LEASE_MS"),
            (WorkerSettings { first_pause_ms: 0, ..usual }, "APP__WORKER__FIRST_PAUSE_MS"),
            (WorkerSettings { wrong_answers: 0, ..usual }, "APP__WORKER__WRONG_ANSWERS"),
            (WorkerSettings { wrong_answers: -1, ..usual }, "APP__WORKER__WRONG_ANSWERS"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(variable), "{wrong:?}");
        }
    }
}
