//! The signals for the open pages of one buyer.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Signal;
use super::alerts::AlertReader;
use crate::clients::{Alert, AlertKind, BasketClient};
use crate::pages::Change;
use crate::session::User;

/// How long after a failure the stream of alerts is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// How often the cart's version is polled: a page that another process serves can change the cart without an alert.
const POLL: Duration = Duration::from_secs(5);

/// Turns the alerts of one buyer, and other changes of the cart, into signals.
pub(super) struct Feed {
    basket: BasketClient,
    users: watch::Receiver<User>,
    signals: broadcast::Sender<Signal>,
    /// The signal that a new page starts with; `None` until the basket has answered.
    first: watch::Sender<Option<Signal>>,
    polls: Interval,
    version: Option<i64>,
    last_alert: Option<i64>,
}

enum Input {
    Alert(Alert),
    Disconnected,
    Poll,
}

impl Feed {
    pub(super) fn new(
        basket: BasketClient,
        users: watch::Receiver<User>,
        signals: broadcast::Sender<Signal>,
        first: watch::Sender<Option<Signal>>,
    ) -> Self {
        let mut polls = interval_at(Instant::now() + POLL, POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { basket, users, signals, first, polls, version: None, last_alert: None }
    }

    /// Sends signals until `release` says that no page is open (true), or the session is over (false).
    pub(super) async fn run(mut self, release: impl Fn() -> bool) -> bool {
        loop {
            let user = self.users.borrow().clone();
            let mut alerts = match self.basket.alert_stream(&user, self.last_alert).await {
                Ok(answer) => Some(AlertReader::new(answer)),
                Err(error) if error.is(StatusCode::UNAUTHORIZED) => {
                    self.send(Signal::Over);
                    return false;
                }
                Err(error) => {
                    tracing::debug!(%error, "the stream of alerts cannot be opened");
                    None
                }
            };
            // The cart may have changed since the pages were rendered. From here on, a new version is a change that
            // the pages do not know.
            let before = self.version;
            let now = self.basket.version(&user, before).await.ok();
            self.version = now.or(before);
            if alerts.is_none() && before.zip(now).is_some_and(|(before, now)| before != now) {
                self.send(Signal::Changed);
            }
            let signal = if alerts.is_some() { Signal::Changed } else { Signal::Unavailable };
            self.first.send_replace(Some(signal.clone()));
            self.send(signal);
            loop {
                match self.next(&mut alerts).await {
                    Input::Alert(alert) => {
                        self.last_alert = Some(alert.id);
                        self.send(Signal::Alert(sentence(&alert)));
                    }
                    Input::Disconnected => break,
                    Input::Poll => {
                        if release() {
                            return true;
                        }
                        self.poll(&user).await;
                    }
                }
            }
        }
    }

    async fn next(&mut self, alerts: &mut Option<AlertReader>) -> Input {
        let next_alert = async {
            let Some(alerts) = alerts else {
                tokio::time::sleep(RETRY).await;
                return Input::Disconnected;
            };
            alerts.next().await.map_or(Input::Disconnected, Input::Alert)
        };
        tokio::select! {
            biased;
            _ = self.polls.tick() => Input::Poll,
            input = next_alert => input,
        }
    }

    /// Signals a new version of the cart. A failure is left to the next poll.
    async fn poll(&mut self, user: &User) {
        let Ok(version) = self.basket.version(user, self.version).await else { return };
        let before = self.version.replace(version);
        if before.is_some_and(|before| before != version) {
            self.send(Signal::Changed);
        }
    }

    fn send(&self, signal: Signal) {
        if self.signals.send(signal).is_err() {
            tracing::trace!("no page is open");
        }
    }
}

fn sentence(alert: &Alert) -> String {
    let name = &alert.product_name;
    match (alert.kind, alert.old_price.zip(alert.new_price)) {
        (AlertKind::ProductRemoved, _) => format!("{name} is no longer sold."),
        (_, Some((old, new))) => {
            let Change { old, new } = Change::new(old, new, "EUR");
            format!("{name} now costs {new} instead of {old}.")
        }
        _ => format!("There is news about {name}."),
    }
}
