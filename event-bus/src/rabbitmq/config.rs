//! Where the broker is.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::uri;

/// The broker's address, and the names of the exchanges that all services share.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`. The parameters `heartbeat` (in seconds),
    /// `connection_timeout` (in milliseconds, for each address of the host), `channel_max`, `frame_max` and
    /// `auth_mechanism=plain` may follow; others are refused. The nodes of a cluster are listed with commas between them; each
    /// connection goes to the first that answers.
    pub url: SecretString,
    /// The topic exchange to which events are published.
    pub exchange: String,
    /// The exchange, and the queue behind it, for events that no queue is bound for.
    pub unrouted: String,
}

impl BrokerConfig {
    /// The broker at `url`, with this exchange for events. Where it is `town.events`, unroutable ones go to `town.unrouted`.
    /// [`validate`](Self::validate) tells what is wrong with it.
    pub fn new(url: impl Into<SecretString>, exchange: &str) -> Self {
        let unrouted = format!("{}.unrouted", exchange.strip_suffix(".events").unwrap_or(exchange));
        Self { url: url.into(), exchange: exchange.to_owned(), unrouted }
    }

    /// Where events go, in words: the exchange and the virtual host. The same for all publishers of a log, whatever address
    /// and user each of them has.
    pub fn destination(&self) -> String {
        let nodes = uri::parse_all(self.url.expose_secret()).unwrap_or_default();
        let vhost = nodes.first().map_or("?", |uri| uri.vhost.as_str());
        format!("exchange {} in virtual host {vhost}", self.exchange)
    }

    /// Checks everything that can be checked without the broker. What is wrong here stays wrong: a process should
    /// end at its start.
    pub fn validate(&self) -> Result<(), InvalidBrokerConfig> {
        let invalid = |field, problem| Err(InvalidBrokerConfig { field, problem });
        if let Err(problem) = uri::parse_all(self.url.expose_secret()) {
            let form = "not of the form amqp://user:password@host:port/vhost";
            return invalid("url", format!("{form}: {problem}"));
        }
        for (field, name) in [("exchange", &self.exchange), ("unrouted", &self.unrouted)] {
            if name.is_empty() || name.len() > 255 || name.starts_with("amq.") {
                return invalid(field, "must have 1 to 255 bytes and not begin with amq.".to_owned());
            }
        }
        if self.exchange == self.unrouted {
            return invalid("unrouted", "must differ from the exchange for events".to_owned());
        }
        Ok(())
    }
}

/// A setting of the broker is wrong, and always will be.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {problem}")]
#[non_exhaustive]
pub struct InvalidBrokerConfig {
    /// The field of [`BrokerConfig`].
    pub field: &'static str,
    /// What is wrong with it. Does not repeat the URL, which holds a password.
    pub problem: String,
}
