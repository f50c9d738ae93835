//! What the pages of one buyer are told.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Signal;
use super::hub::Source;
use super::reader::AlertReader;
use crate::backends::{Alert, AlertKind, BasketApi};
use crate::pages::Money;
use crate::session::User;

/// How long after a failure the basket is asked for its stream again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the cart's version is looked at: a device that is served by another process of ours changes it
/// without a word to this one. A feed that nobody listens to ends at a look.
const LOOK: Duration = Duration::from_secs(5);

/// One buyer's feed: alerts as they come, and word of every other change of the cart.
pub(super) struct Feed {
    basket: BasketApi,
    users: watch::Receiver<User>,
    signals: broadcast::Sender<Signal>,
    source: watch::Sender<Source>,
    looking: Interval,
    version: Option<i64>,
    last_alert: Option<i64>,
}

/// Why waiting ended.
enum News {
    Alert(Alert),
    BrokenOff,
    TimeToLook,
}

impl Feed {
    pub(super) fn new(
        basket: BasketApi,
        users: watch::Receiver<User>,
        signals: broadcast::Sender<Signal>,
        source: watch::Sender<Source>,
    ) -> Self {
        let mut looking = interval_at(Instant::now() + LOOK, LOOK);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { basket, users, signals, source, looking, version: None, last_alert: None }
    }

    /// Tells the pages what happens until `clear` says that nobody listens (true), or the session is over.
    pub(super) async fn run(mut self, clear: impl Fn() -> bool) -> bool {
        loop {
            let user = self.users.borrow().clone();
            let mut alerts = match self.basket.stream(&user, self.last_alert).await {
                Ok(answer) => Some(AlertReader::new(answer)),
                Err(trouble) if trouble.is(StatusCode::UNAUTHORIZED) => {
                    self.tell(Signal::Over);
                    return false;
                }
                Err(trouble) => {
                    tracing::debug!(%trouble, "no stream of alerts");
                    None
                }
            };
            let (source, signal) = match alerts {
                // Something may have changed since the pages were rendered.
                Some(_) => (Source::Live, Signal::Changed),
                None => (Source::Away, Signal::Away),
            };
            // From here on, another version is a change that the pages have not heard of.
            self.version = self.basket.version(&user, self.version).await.ok();
            self.source.send_replace(source);
            self.tell(signal);
            loop {
                match self.next(&mut alerts).await {
                    News::Alert(alert) => {
                        self.last_alert = Some(alert.id);
                        self.tell(Signal::Said(sentence(&alert)));
                    }
                    News::BrokenOff => break,
                    News::TimeToLook if clear() => return true,
                    News::TimeToLook => self.look(&user).await,
                }
            }
        }
    }

    async fn next(&mut self, alerts: &mut Option<AlertReader>) -> News {
        let next_alert = async {
            let Some(alerts) = alerts else {
                tokio::time::sleep(PAUSE).await;
                return News::BrokenOff;
            };
            alerts.next().await.map_or(News::BrokenOff, News::Alert)
        };
        tokio::select! {
            biased;
            _ = self.looking.tick() => News::TimeToLook,
            news = next_alert => news,
        }
    }

    /// Looks whether the cart has another version. What cannot be told now is told at the next look.
    async fn look(&mut self, user: &User) {
        let Ok(version) = self.basket.version(user, self.version).await else { return };
        let before = self.version.replace(version);
        if before.is_some_and(|before| before != version) {
            self.tell(Signal::Changed);
        }
    }

    fn tell(&self, signal: Signal) {
        if self.signals.send(signal).is_err() {
            tracing::trace!("all pages are closed");
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
