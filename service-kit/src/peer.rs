//! Asking another service over HTTP, with limits on everything.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use reqwest::header::ACCEPT;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::trace::RequestTrace;

/// How long asking may take in all, waiting for a turn included.
const DEADLINE: Duration = Duration::from_secs(2);

/// How many questions may be under way at once; the others wait for their turn.
const AT_ONCE: usize = 8;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// A client of another service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    client: reqwest::Client,
    url: Url,
    turns: Arc<Semaphore>,
}

/// Why another service could not be asked. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No answer in time.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TooSlow,
    /// No connection, or one that broke off.
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Neither 200 nor 404.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// More than is read.
    #[error("its answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
    /// Not what is understood here.
    #[error("its answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl Peer {
    /// A client of the service at `url`, such as `http://127.0.0.1:5101`, the value of the setting `<name>.url`. Does not
    /// connect.
    pub fn new(name: &str, url: &str) -> anyhow::Result<Self> {
        let setting = format!("setting {name}.url (APP__{}__URL)", name.to_uppercase());
        let url: Url = url.parse().with_context(|| format!("{setting}: not a URL"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "{setting}: not an http:// or https:// URL");
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            // Nothing that the other service answers may send this one elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .with_context(|| format!("cannot set up the client of {name}"))?;
        Ok(Self { client, url, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Gets what is at a path, such as `/api/v1/catalog/items/7`; `None` when there is nothing.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        trace: &RequestTrace,
    ) -> Result<Option<T>, PeerError> {
        tokio::time::timeout(DEADLINE, async {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await.map_err(|_closed| PeerError::TooSlow)?;
            self.ask(path, trace).await
        })
        .await
        .map_err(|_elapsed| PeerError::TooSlow)?
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        trace: &RequestTrace,
    ) -> Result<Option<T>, PeerError> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        let request = self.client.get(url).header(ACCEPT, "application/json");
        let request = trace.headers().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().await.map_err(PeerError::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(PeerError::Status(status)),
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(PeerError::Unreachable)?;
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(PeerError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map(Some).map_err(PeerError::Unreadable)
    }
}
