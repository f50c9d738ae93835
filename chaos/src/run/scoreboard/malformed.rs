//! Requests that are not as they should be, by the thousand.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};
use reqwest::{Client, Method, Request};
use serde_json::json;

use super::Row;
use crate::{faults::hostile, run::Runner, stage::Who};

/// Requests on their way at once.
const AT_ONCE: usize = 32;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Services, and paths of theirs with `{}` where something strange goes.
const PATHS: [(Who, &str); 12] = [
    (Who::Catalog, "/api/v1/catalog/items"),
    (Who::Catalog, "/api/v1/catalog/items?pageIndex={}&pageSize={}"),
    (Who::Catalog, "/api/v1/catalog/items?name={}&ids={}"),
    (Who::Catalog, "/api/v1/catalog/items/{}"),
    (Who::Catalog, "/api/v1/catalog/items/{}/price"),
    (Who::Catalog, "/api/v1/catalog/items/{}/pic"),
    (Who::Basket(1), "/api/v1/basket/chaos"),
    (Who::Basket(1), "/api/v1/basket/chaos/items/{}"),
    (Who::Basket(1), "/api/v1/basket/chaos/alerts?pageIndex={}&pageSize={}"),
    (Who::Basket(1), "/api/v1/basket/chaos/alerts/acknowledge"),
    (Who::Relay(1), "/api/v1/outbox/events?state={}&type={}&key={}"),
    (Who::Relay(1), "/api/v1/outbox/events/{}/skip"),
];

/// What goes into a path: numbers out of range, text that is none, and what other layers trip over.
const STRANGE: [&str; 14] = [
    "0",
    "-1",
    "9223372036854775808",
    "1e9",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc",
    "%27%3bselect",
    "%F0%9F%9B%92",
    "",
    "null",
    "018f",
    "NaN",
    "%",
];

const METHODS: [Method; 5] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH];

impl Runner {
    /// Asks so much that is malformed with a token that allows everything, and counts the answers that say
    /// that it is the service's fault, or that do not come.
    pub(super) async fn malformed_requests(&mut self, requests: u32) -> Result<Row> {
        self.stage.settle(1, 1).await?;
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let token = shop::token::issue(
            "chaos",
            &["catalog:write".parse()?, "ops".parse()?],
            shop::token::Lifetime::DAY,
        )?;
        let mut rng = self.stage.rng.fork();
        let paths = PATHS.map(|(who, path)| Ok(self.stage.url(who)? + path));
        let paths = paths.into_iter().collect::<Result<Vec<_>>>()?;
        let statuses = stream::iter(0..requests)
            .map(|_| request(&paths, &client, &token, &mut rng))
            .map(|request| {
                let client = client.clone();
                async move {
                    let request = request?;
                    let what = format!("{} {}", request.method(), request.url());
                    let status = client.execute(request).await.map(|answer| answer.status().as_u16());
                    anyhow::Ok((what, status.unwrap_or(599)))
                }
            })
            .buffer_unordered(AT_ONCE);
        let (mut tried, mut wrong, mut example) = (0, 0, None);
        let mut statuses = std::pin::pin!(statuses);
        while let Some(asked) = statuses.next().await {
            let (what, status) = asked?;
            tried += 1;
            if status >= 500 {
                wrong += 1;
                example.get_or_insert_with(|| format!(", such as {status} for {what}"));
            }
        }
        for who in [Who::Catalog, Who::Basket(1), Who::Relay(1)] {
            let has_ended = self.stage.service(who)?.ended()?.is_some();
            wrong += usize::from(has_ended);
        }
        Ok(Row {
            name: "malformed HTTP requests answered 5xx or not at all",
            of: tried,
            measured: format!("{wrong}{}", example.unwrap_or_default()),
            must_be: "0".to_owned(),
            met: wrong == 0,
        }
        .told())
    }
}

fn request(paths: &[String], client: &Client, token: &str, rng: &mut fastrand::Rng) -> Result<Request> {
    let path = rng.choice(paths).context("no path")?;
    let mut url = String::new();
    for (n, part) in path.split("{}").enumerate() {
        if n > 0 {
            url.push_str(rng.choice(STRANGE).unwrap_or_default());
        }
        url.push_str(part);
    }
    let mut request = client.request(rng.choice(METHODS).unwrap_or(Method::GET), url);
    if rng.u8(0..8) > 0 {
        request = request.bearer_auth(token);
    }
    if rng.bool() {
        request = request.header("content-type", "application/json");
    }
    if rng.u8(0..4) == 0 {
        request = request.header("idempotency-key", "x".repeat(rng.usize(0..400)));
    }
    let body = match rng.u8(0..3) {
        0 => Vec::new(),
        1 => hostile(rng),
        _ => json!({"price": "1e-9", "quantity": -1, "ids": ["x"], "reason": "\u{0}"}).to_string().into(),
    };
    request.body(body).build().context("not even a client can make this request")
}
