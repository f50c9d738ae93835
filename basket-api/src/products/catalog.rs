//! The catalog's HTTP API, as far as this service asks it: one product at a time.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use reqwest::{StatusCode, Url, header::ACCEPT};
use serde::Deserialize;
use service_kit::trace::RequestTrace;
use tokio::sync::Semaphore;

use super::{Currency, PictureUrl, Price, ProductId, ProductName, store::ProductFacts};

/// How long asking may take in all, waiting for a turn included.
const DEADLINE: Duration = Duration::from_secs(2);

/// How many questions may be under way at once; the others wait for their turn.
const AT_ONCE: usize = 8;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// A client of the catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    client: reqwest::Client,
    items: Url,
    turns: Arc<Semaphore>,
}

/// Why the catalog could not be asked. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No answer in time.
    #[error("the catalog did not answer within {} s", DEADLINE.as_secs())]
    TooSlow,
    /// No connection, or one that broke off.
    #[error("the catalog cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Neither the product nor 404.
    #[error("the catalog answered {0}")]
    Status(StatusCode),
    /// More than is read.
    #[error("the catalog's answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
    /// Not a product as it is understood here.
    #[error("the catalog's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// Another product than the one that was asked for.
    #[error("the catalog answered with product {0}")]
    OtherProduct(ProductId),
}

/// The fields that are read of the catalog's item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: ProductId,
    name: ProductName,
    price: Price,
    currency: Currency,
    picture_url: PictureUrl,
    version: i64,
}

impl Catalog {
    /// A client of the catalog at `url`, such as `http://127.0.0.1:5101`. Does not connect.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let setting = "setting catalog.url (APP__CATALOG__URL)";
        let mut items: Url = url.parse().with_context(|| format!("{setting}: not a URL"))?;
        ensure!(matches!(items.scheme(), "http" | "https"), "{setting}: not an http:// or https:// URL");
        let base = items.path().trim_end_matches('/').to_owned();
        items.set_path(&format!("{base}/api/v1/catalog/items/"));
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            // Nothing that the catalog answers may send this service elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot set up the client of the catalog")?;
        Ok(Self { client, items, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Asks for a product; `None` when the catalog has none of this id.
    pub async fn find(
        &self,
        id: ProductId,
        trace: &RequestTrace,
    ) -> Result<Option<ProductFacts>, CatalogError> {
        tokio::time::timeout(DEADLINE, async {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await.map_err(|_closed| CatalogError::TooSlow)?;
            self.ask(id, trace).await
        })
        .await
        .map_err(|_elapsed| CatalogError::TooSlow)?
    }

    async fn ask(&self, id: ProductId, trace: &RequestTrace) -> Result<Option<ProductFacts>, CatalogError> {
        let mut url = self.items.clone();
        url.set_path(&format!("{}{id}", self.items.path()));
        let request = self.client.get(url).header(ACCEPT, "application/json");
        let request = trace.headers().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().await.map_err(CatalogError::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(CatalogError::Status(status)),
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(CatalogError::Unreachable)?;
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(CatalogError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let item: Item = serde_json::from_slice(&body).map_err(CatalogError::Unreadable)?;
        if item.id != id {
            return Err(CatalogError::OtherProduct(item.id));
        }
        Ok(Some(ProductFacts {
            id,
            name: item.name,
            picture_url: item.picture_url,
            price: item.price,
            currency: item.currency,
            // An item does not say. What a later generation tells is newer.
            generation: 1,
            version: item.version,
        }))
    }
}
