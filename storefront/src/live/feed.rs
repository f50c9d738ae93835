//! What one open page of a buyer is told.

use std::time::Duration;

use actix_web::web;
use chrono::Utc;
use reqwest::StatusCode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::reader::AlertReader;
use super::{Signal, Signals};
use crate::backends::{Alert, AlertKind};
use crate::pages::{Money, Shop};
use crate::session::User;

/// How long after a failure the basket is asked for its stream again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the cart's version is looked at: a device that is served by another process of ours changes it
/// without a word to this one.
const LOOK: Duration = Duration::from_secs(5);

/// One page's feed.
pub(super) struct Feed {
    pub(super) shop: web::Data<Shop>,
    pub(super) user: User,
    pub(super) signals: Signals,
    pub(super) ending: CancellationToken,
    changes: Receiver<String>,
    looking: Interval,
    version: i64,
    last_alert: Option<i64>,
}

/// Why waiting ended.
enum News {
    Alert(Option<Alert>),
    Changed,
    TimeToLook,
    Over,
}

impl Feed {
    pub(super) fn new(
        shop: web::Data<Shop>,
        user: User,
        signals: Signals,
        ending: CancellationToken,
    ) -> Self {
        let changes = shop.changes.listen();
        let mut looking = interval_at(Instant::now() + LOOK, LOOK);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { shop, user, signals, ending, changes, looking, version: -1, last_alert: None }
    }

    /// Tells the page what happens until it is gone, the session is over, or the service stops.
    pub(super) async fn run(mut self) {
        loop {
            let mut alerts = match self.shop.basket.stream(&self.user, self.last_alert).await {
                Ok(answer) => Some(AlertReader::new(answer)),
                Err(trouble) if trouble.is(StatusCode::UNAUTHORIZED) => break,
                Err(trouble) => {
                    tracing::debug!(%trouble, "no stream of alerts");
                    None
                }
            };
            // Also at the first time: something may have changed since the page was rendered.
            let signal = if alerts.is_some() { Signal::Changed } else { Signal::Away };
            if !self.signals.send(signal).await || !self.follow(&mut alerts).await {
                break;
            }
        }
        self.signals.send(Signal::Over).await;
    }

    /// Follows the stream, if there is one, else only what else happens, for a while. False: it is over.
    async fn follow(&mut self, alerts: &mut Option<AlertReader>) -> bool {
        loop {
            let signal = match self.next(alerts).await {
                News::Over => return false,
                News::Alert(None) => return true,
                News::Alert(Some(alert)) => {
                    self.last_alert = Some(alert.id);
                    Signal::Said(sentence(&alert))
                }
                News::Changed => Signal::Changed,
                News::TimeToLook => match self.shop.basket.version(&self.user, self.version).await {
                    Ok(version) if version != self.version => {
                        self.version = version;
                        Signal::Changed
                    }
                    _ => continue,
                },
            };
            if !self.signals.send(signal).await {
                return false;
            }
        }
    }

    async fn next(&mut self, alerts: &mut Option<AlertReader>) -> News {
        let left = (self.user.expires_at - Utc::now()).to_std().unwrap_or_default();
        let next_alert = async {
            if let Some(alerts) = alerts {
                return alerts.next().await;
            }
            tokio::time::sleep(PAUSE).await;
            None
        };
        tokio::select! {
            biased;
            () = self.ending.cancelled() => News::Over,
            () = tokio::time::sleep(left) => News::Over,
            alert = next_alert => News::Alert(alert),
            () = own_change(&mut self.changes, &self.user.name) => News::Changed,
            _ = self.looking.tick() => News::TimeToLook,
        }
    }
}

/// Waits until another page of the same buyer has changed the cart.
async fn own_change(changes: &mut Receiver<String>, name: &str) {
    loop {
        match changes.recv().await {
            Ok(buyer) if buyer == name => return,
            Ok(_) => {}
            // Who has missed some cannot know whose they were.
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// An alert in a sentence.
fn sentence(alert: &Alert) -> String {
    let name = &alert.product_name;
    match (alert.kind, alert.old_price, alert.new_price) {
        (AlertKind::ProductRemoved, _, _) => format!("{name} is no longer sold."),
        (_, Some(old), Some(new)) => {
            let (old, new) = (Money::new(old, "EUR"), Money::new(new, "EUR"));
            format!("{name} now costs {new} instead of {old}.")
        }
        _ => format!("There is news about {name}."),
    }
}
