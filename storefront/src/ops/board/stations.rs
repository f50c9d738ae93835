//! The places that an event passes, with how each stands.

use super::{history::History, snapshot::Snapshot};
use crate::ops::{
    api::{Inbox, Outbox},
    count,
};

/// An event that waits for longer than this is late, in seconds.
const LATE: f64 = 10.0;

/// A place that every event passes.
pub(super) struct Station {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What happens there.
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) figures: Vec<Figure>,
    /// What is wrong, in sentences.
    pub(super) problems: Vec<String>,
}

/// How a station stands, in the word of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Well,
    Busy,
    Trouble,
    Away,
}

/// One figure.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether it asks for somebody's attention.
    pub(super) is_bad: bool,
}

impl Station {
    fn new(id: &'static str, name: &'static str, what: &'static str) -> Self {
        Self { id, name, what, state: State::Well, figures: Vec::new(), problems: Vec::new() }
    }

    fn figure(&mut self, name: &'static str, value: impl Into<String>) {
        self.figures.push(Figure { name, value: value.into(), is_bad: false });
    }

    /// A figure that should be 0.
    fn bad(&mut self, name: &'static str, number: impl Into<i128>) {
        let number = number.into();
        self.figures.push(Figure { name, value: count(number), is_bad: number > 0 });
        if number > 0 {
            self.state = State::Trouble;
        }
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
        self.state = State::Trouble;
    }

    fn away(mut self, why: &str) -> Self {
        self.state = State::Away;
        self.problems.push(why.to_owned());
        self
    }

    /// Its state, as a class and as a word.
    pub(super) fn class(&self) -> &'static str {
        match self.state {
            State::Well => "well",
            State::Busy => "busy",
            State::Trouble => "trouble",
            State::Away => "away",
        }
    }

    /// The same, for people.
    pub(super) fn word(&self) -> &'static str {
        match self.state {
            State::Well => "well",
            State::Busy => "at work",
            State::Trouble => "look here",
            State::Away => "no answer",
        }
    }
}

/// All of them, in the order in which an event passes them.
pub(super) fn stations(now: &Snapshot, history: &History) -> Vec<Station> {
    vec![
        catalog(now, history),
        log(now.outbox.as_ref()),
        relays(now, history),
        queue(now.inbox.as_ref()),
        inbox(now.inbox.as_ref(), history),
        carts(now.inbox.as_ref()),
    ]
}

fn per_second(rate: Option<f64>) -> String {
    rate.map_or_else(|| "?".to_owned(), |rate| format!("{rate:.1} /s"))
}

fn catalog(now: &Snapshot, history: &History) -> Station {
    let mut station = Station::new("catalog", "Catalogue", "commits a change and its event together");
    let outbox = match &now.outbox {
        Ok(outbox) => outbox,
        Err(why) => return station.away(why),
    };
    station.figure("committed", count(outbox.progress.committed));
    let rate = history.rate(|sample| sample.committed);
    station.figure("rate", per_second(rate));
    if rate.is_some_and(|rate| rate > 0.0) {
        station.state = State::Busy;
    }
    station
}

fn log(outbox: Result<&Outbox, &String>) -> Station {
    let mut station = Station::new("log", "Event log", "keeps it until it is published");
    let log = match outbox {
        Ok(outbox) => &outbox.log,
        Err(why) => return station.away(why),
    };
    station.figure("pending", count(log.pending));
    station.figure("oldest", age(log.oldest_pending_age_seconds));
    if log.pending > 0 {
        station.state = State::Busy;
    }
    if log.oldest_pending_age_seconds > LATE {
        station.problem("Events wait: nobody publishes them.");
    }
    station.bad("stuck", log.failed);
    station
}

fn relays(now: &Snapshot, history: &History) -> Station {
    let mut station = Station::new("relays", "Relays", "publish, await the broker's word, then mark");
    let alive = now.alive();
    station.figure("alive", alive.map_or_else(|| "?".to_owned(), count));
    let rate = history.rate(|sample| sample.published);
    station.figure("rate", per_second(rate));
    let answering = now.processes.iter().filter_map(|(_, standing)| standing.as_ref().ok());
    station
        .figure("since start", count(answering.map(|standing| i128::from(standing.published)).sum::<i128>()));
    if rate.is_some_and(|rate| rate > 0.0) {
        station.state = State::Busy;
    }
    for (name, standing) in &now.processes {
        match standing {
            Err(_) => station.problem(format!("{name} does not answer.")),
            Ok(standing) => {
                for problem in [&standing.database_problem, &standing.broker_problem].into_iter().flatten() {
                    station.problem(format!("{name}: {problem}"));
                }
            }
        }
    }
    if alive == Some(0) || now.processes.iter().all(|(_, standing)| standing.is_err()) {
        station.state = State::Away;
    }
    station
}

fn queue(inbox: Result<&Inbox, &String>) -> Station {
    let mut station = Station::new("queue", "RabbitMQ", "holds it for the basket, in order");
    let (inbox, queues) = match inbox {
        Err(_) => return station.away("Only the basket sees it, and that does not answer."),
        Ok(inbox) => match &inbox.queues {
            None => return station.away(inbox.problems.first().map_or("It cannot be seen.", String::as_str)),
            Some(queues) => (inbox, queues),
        },
    };
    station.figure("ready", count(queues.ready));
    station.figure("unacknowledged", count(inbox.in_hand));
    let retries: u64 = queues.retries.iter().map(|retry| retry.messages).sum();
    station.figure("retries", count(retries));
    if queues.ready + inbox.in_hand + retries > 0 {
        station.state = State::Busy;
    }
    for retry in queues.retries.iter().filter(|retry| retry.messages > 0) {
        let (messages, delay) = (count(retry.messages), seconds(retry.delay_ms));
        station.problems.push(format!("{messages} wait {delay} for another try."));
    }
    if queues.consumers == 0 {
        station.problem("Nobody takes from the queue.");
    }
    station.bad("dead letters", queues.dead);
    station.bad("unrouted", queues.unrouted);
    station
}

fn inbox(inbox: Result<&Inbox, &String>, history: &History) -> Station {
    let mut station = Station::new("inbox", "Basket's inbox", "sees to it that each has its effect once");
    let inbox = match inbox {
        Ok(inbox) => inbox,
        Err(why) => return station.away(why),
    };
    let receipts = &inbox.receipts;
    station.figure("first", count(receipts.first));
    station.figure("redelivered, known", count(receipts.redelivered_known));
    station.figure("repeated", count(receipts.repeated));
    station.figure("stale", count(receipts.stale));
    let rate = history.rate(|sample| sample.handled);
    station.figure("rate", per_second(rate));
    if rate.is_some_and(|rate| rate > 0.0) {
        station.state = State::Busy;
    }
    if !inbox.connected {
        station.problem("It is not consuming: the broker or its database is away.");
    }
    station
}

fn carts(inbox: Result<&Inbox, &String>) -> Station {
    let mut station = Station::new("carts", "Carts", "show the new price, and an alert");
    match inbox {
        Err(why) => station.away(why),
        Ok(Inbox { alerts_raised: Some(alerts), .. }) => {
            station.figure("alerts", count(*alerts));
            station
        }
        Ok(_) => station.away("The basket's database cannot be asked."),
    }
}

fn age(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("0.{} s", ms / 100) }
}
