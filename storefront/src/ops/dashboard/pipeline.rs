//! The stages that an event passes: outbox, relay, broker, inbox. Each has a card for each service.

use super::held_back::{held_back, problems};
use super::samples::Samples;
use super::snapshot::Snapshot;
use crate::clients;
use crate::ops::answers::{InboxStatus, OutboxStatus, Queues};
use crate::pages::{count, title};

/// An event that waits longer than this is late, in seconds.
const LATE: f64 = 10.0;

/// A stage of the pipeline.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// What happens to an event there.
    pub(crate) what: &'static str,
    pub(crate) cards: Vec<Card>,
}

/// One service in a stage.
pub(crate) struct Card {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) figures: Vec<Figure>,
    /// What is wrong, in sentences.
    pub(crate) problems: Vec<String>,
}

/// The status of a service: its CSS class and its word on the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
}

const OK: Status = Status { class: "ok", word: "OK" };
const BUSY: Status = Status { class: "busy", word: "busy" };
const ERROR: Status = Status { class: "error", word: "needs attention" };
const UNAVAILABLE: Status = Status { class: "unavailable", word: "no answer" };

/// A figure, and whether it needs attention.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) is_bad: bool,
}

impl Status {
    pub(crate) fn is_ok(self) -> bool {
        self == OK || self == BUSY
    }
}

impl Card {
    fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let (figures, problems) = (Vec::new(), Vec::new());
        Self { id: id.into(), name: name.into(), status: OK, figures, problems }
    }

    fn figure(&mut self, name: &'static str, value: impl Into<String>) {
        self.figures.push(Figure { name, value: value.into(), is_bad: false });
    }

    /// A figure that should be 0.
    fn bad_figure(&mut self, name: &'static str, number: impl Into<i128>) {
        let number = number.into();
        self.figures.push(Figure { name, value: count(number), is_bad: number > 0 });
        if number > 0 {
            self.status = ERROR;
        }
    }

    fn busy_if(&mut self, is_busy: bool) {
        if is_busy && self.status == OK {
            self.status = BUSY;
        }
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
        self.status = ERROR;
    }

    fn unavailable(mut self, why: impl Into<String>) -> Self {
        self.problem(why);
        self.status = UNAVAILABLE;
        self
    }
}

/// The stages in the order in which an event passes them.
pub(crate) fn pipeline(now: &Snapshot, samples: &Samples) -> Vec<Stage> {
    let outboxes = now.outboxes.iter().map(|(name, status)| outbox(name, status));
    let inboxes = now.inboxes.iter().map(|(name, status)| inbox(name, status));
    let stages = [
        ("Outbox", "A service commits a change and its event in one transaction.", outboxes.collect()),
        (
            "Relay",
            "A relay publishes the events of a key in order, and marks those that the broker confirmed.",
            vec![relays(now, samples)],
        ),
        ("Broker", "A queue for each subscriber keeps the events until they are handled.", vec![broker(now)]),
        ("Inbox", "A subscriber applies each event once, however often it is delivered.", inboxes.collect()),
    ];
    stages.into_iter().map(|(name, what, cards)| Stage { name, what, cards }).collect()
}

fn outbox(name: &str, status: &clients::Result<OutboxStatus>) -> Card {
    let mut card = Card::new(format!("outbox-{name}"), title(name));
    let outbox = match status {
        Ok(outbox) => outbox,
        Err(error) => return card.unavailable(error.message()),
    };
    let log = &outbox.log;
    card.figure("committed", count(outbox.progress.committed));
    card.figure("pending", count(log.pending));
    card.figure("oldest", age(log.oldest_pending_age_seconds));
    card.busy_if(log.pending > 0);
    if log.oldest_pending_age_seconds > LATE {
        card.problem("Events wait: no relay publishes them.");
    }
    card.bad_figure("failed", log.failed);
    card
}

fn relays(now: &Snapshot, samples: &Samples) -> Card {
    let mut card = Card::new("relays", "Relays");
    let rate = samples.rate(|sample| &sample.published);
    card.figure("alive", now.alive().map_or_else(|| "?".to_owned(), count));
    card.figure("rate", rate.map_or_else(|| "?".to_owned(), |rate| format!("{rate:.1} /s")));
    card.busy_if(rate > Some(0.0));
    let mut published = 0;
    for (_, status) in &now.relays {
        let relays = status.iter().flatten().filter_map(|database| database.relay.as_ref());
        published += relays.map(|relay| i128::from(relay.published)).sum::<i128>();
    }
    for problem in problems(now) {
        card.problem(problem);
    }
    let held = held_back(now);
    if !held.is_empty() {
        card.bad_figure("types held back", held.len() as u64);
    }
    card.figure("since start", count(published));
    if now.is_without_relay() {
        card.status = UNAVAILABLE;
    }
    card
}

/// The queues, as the subscribers see them.
fn broker(now: &Snapshot) -> Card {
    let mut card = Card::new("broker", "RabbitMQ");
    let answers = || now.inboxes.iter().filter_map(|(_, inbox)| inbox.as_ref().ok());
    let queues: Vec<&Queues> = answers().filter_map(|inbox| inbox.queues.as_ref()).collect();
    if queues.is_empty() {
        let problem = answers().find_map(|inbox| inbox.problems.first().cloned());
        return card.unavailable(problem.unwrap_or_else(|| "No subscriber answers.".to_owned()));
    }
    let sum = |figure: fn(&Queues) -> u64| queues.iter().map(|queues| figure(queues)).sum::<u64>();
    let ready = sum(|queues| queues.ready);
    let unacknowledged = answers().map(|inbox| inbox.in_hand).sum::<u64>();
    card.figure("ready", count(ready));
    card.figure("unacknowledged", count(unacknowledged));
    card.busy_if(ready + unacknowledged > 0);
    card.bad_figure("dead letters", sum(|queues| queues.dead));
    match unrouted(now, &queues) {
        Some(unrouted) => card.bad_figure("unrouted", unrouted),
        None => card.figure("unrouted", "?".to_owned()),
    }
    card
}

/// The queue of unrouted messages, as whoever may look sees it. A subscriber's figure is newer than a relay's.
fn unrouted(now: &Snapshot, queues: &[&Queues]) -> Option<u64> {
    let relays = || now.relays.iter().filter_map(|(_, status)| status.as_ref().ok()).flatten();
    let by_relays = || relays().filter_map(|database| database.relay.as_ref()?.unrouted).max();
    queues.iter().filter_map(|queues| queues.unrouted).max().or_else(by_relays)
}

fn inbox(name: &str, status: &clients::Result<InboxStatus>) -> Card {
    let mut card = Card::new(format!("inbox-{name}"), title(name));
    let inbox = match status {
        Ok(inbox) => inbox,
        Err(error) => return card.unavailable(error.message()),
    };
    card.figure("first", count(inbox.receipts.first));
    card.figure("redelivered, known", count(inbox.receipts.redelivered_known));
    card.figure("repeated", count(inbox.receipts.repeated));
    card.figure("stale", count(inbox.receipts.stale));
    if let Some(alerts) = inbox.alerts_raised {
        card.figure("alerts raised", count(alerts));
    }
    if let Some(queues) = &inbox.queues {
        card.figure("in the queue", count(inbox.queued().unwrap_or_default()));
        card.busy_if(inbox.queued() > Some(0));
        if queues.consumers == 0 {
            card.problem("No process consumes the queue.");
        }
        card.bad_figure("dead letters", queues.dead);
    }
    if let Some(waiting) = inbox.waiting {
        card.figure("waiting for another try", count(waiting.events));
        card.busy_if(waiting.events > 0);
        card.bad_figure("blocked keys", inbox.blocked_keys());
    }
    if !inbox.connected {
        card.problem("It does not consume: the broker or its database is unavailable.");
    }
    for problem in &inbox.problems {
        card.problem(format!("{problem}."));
    }
    card
}

fn age(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}
