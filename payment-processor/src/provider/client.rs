//! The client of the provider.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::answer;
use crate::payments::rules::Answer;
use crate::payments::work::{Question, Work};
use crate::payments::{Amount, Currency, OrderId};
use crate::settings::ProviderSettings;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// A client of the provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Provider {
    client: reqwest::Client,
    charges: Url,
    key: Option<SecretString>,
    deadline: Duration,
}

/// What is to be charged.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChargeBody<'a> {
    order_id: &'a OrderId,
    amount: Amount,
    currency: &'a Currency,
    token: &'a str,
}

impl Provider {
    /// A client of the provider. Does not connect.
    pub fn new(settings: &ProviderSettings, deadline: Duration) -> anyhow::Result<Self> {
        let setting = "setting provider.url (APP__PROVIDER__URL)";
        let mut charges: Url = settings.url.parse().with_context(|| format!("{setting}: not a URL"))?;
        ensure!(matches!(charges.scheme(), "http" | "https"), "{setting}: not an http:// or https:// URL");
        let base = charges.path().trim_end_matches('/').to_owned();
        charges.set_path(&format!("{base}/charges"));
        let client = reqwest::Client::builder()
            .timeout(deadline)
            // Nothing that the provider answers may send a token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot set up the client of the provider")?;
        Ok(Self { client, charges, key: settings.key.clone(), deadline })
    }

    /// Asks the provider for what a payment needs. The idempotency key is the payment's id, in every try.
    pub async fn ask(&self, work: &Work) -> Answer {
        let key = if event_bus::without!("idempotency-key") { Uuid::now_v7() } else { work.payment_id };
        let request = match &work.question {
            Question::Charge { amount, currency, token } => {
                let (order_id, amount, token) = (&work.order_id, *amount, token.reveal());
                let body = ChargeBody { order_id, amount, currency, token };
                let request = self.client.post(self.charges.clone()).json(&body);
                request.header("idempotency-key", key.to_string())
            }
            Question::Refund(charge) => {
                let mut url = self.charges.clone();
                if let Ok(mut path) = url.path_segments_mut() {
                    path.extend([charge.id.as_str(), "refund"]);
                }
                self.client.post(url).header("idempotency-key", format!("{key}-refund"))
            }
        };
        let request = match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        let asked = tokio::time::timeout(self.deadline, send(request));
        asked.await.unwrap_or_else(|_elapsed| self.nothing("did not answer in time"))
    }

    fn nothing(&self, problem: &str) -> Answer {
        let problem = format!("the provider {problem} ({} ms)", self.deadline.as_millis());
        Answer::Nothing { problem, retry_after: None }
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let nothing = |problem: &str| Answer::Nothing { problem: problem.to_owned(), retry_after: None };
    let answer = match request.header(ACCEPT, "application/json").send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return nothing("the provider did not answer in time"),
        Err(error) if error.is_connect() => return nothing("the provider cannot be reached"),
        Err(_) => return nothing("the connection to the provider broke off"),
    };
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else { return nothing("the provider's answer broke off") };
        if body.len() + chunk.len() > MAX_ANSWER {
            return nothing("the provider's answer is too large");
        }
        body.extend_from_slice(&chunk);
    }
    answer::read(status, retry_after.as_deref(), &body)
}
