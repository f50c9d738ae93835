//! The board, as it is drawn.

use chrono::{DateTime, Utc};

use super::chart::{Chart, Gap, Points};
use super::history::{History, Sample};
use super::snapshot::Snapshot;
use super::stations::{State, Station, stations};
use super::watch::Seen;
use crate::ops::api::Member;
use crate::ops::events::Row;

/// Partitions of a log.
const PARTITIONS: usize = 64;

/// The board, as it is drawn.
pub(super) struct Board {
    /// How all of it stands, in a sentence.
    pub(super) sentence: String,
    pub(super) is_well: bool,
    pub(super) stations: Vec<Station>,
    pub(super) charts: Vec<Chart>,
    pub(super) relays: Vec<RelayCard>,
    /// The owner of each partition; `None` where nobody can be asked.
    pub(super) partitions: Option<Vec<Cell>>,
    pub(super) newest: Result<Vec<Row>, String>,
    pub(super) dead: Option<u64>,
    /// Whether processes can be killed and started from here.
    pub(super) has_tool: bool,
}

/// A relay: its process, what the database knows of it, or both.
pub(super) struct RelayCard {
    pub(super) name: String,
    /// Its letter and its colour on the map; none where it owns nothing.
    pub(super) mark: Option<Mark>,
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) since: String,
    pub(super) owns: usize,
    /// Whether it was started from here, and can be killed.
    pub(super) is_ours: bool,
    pub(super) answers: bool,
}

/// How an owner is drawn on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) letter: char,
    pub(super) colour: usize,
}

/// A partition on the map.
pub(super) struct Cell {
    pub(super) owner: Option<Mark>,
    pub(super) title: String,
}

impl Board {
    pub(super) fn new(seen: &Seen, has_tool: bool) -> Self {
        let Seen { now, history } = seen;
        let stations = stations(now, history);
        let is_well = stations.iter().all(|station| matches!(station.state, State::Well | State::Busy));
        let members = now.members.as_deref().unwrap_or_default();
        let dead = now.inbox.as_ref().ok().and_then(|inbox| inbox.queues.as_ref()).map(|queues| queues.dead);
        Self {
            sentence: sentence(now),
            is_well,
            stations,
            charts: charts(now.at, history),
            relays: relays(now, members),
            partitions: now.members.is_ok().then(|| map(members)),
            newest: now.newest.clone().map(|events| events.iter().map(Row::new).collect()),
            dead,
            has_tool,
        }
    }
}

fn sentence(now: &Snapshot) -> String {
    let Ok(outbox) = &now.outbox else {
        return "The catalogue does not answer: nothing can be changed, and nothing is lost.".to_owned();
    };
    let pending = outbox.log.pending;
    let events = match pending {
        0 => "No event waits".to_owned(),
        1 => "1 event waits".to_owned(),
        more => format!("{} events wait", crate::ops::count(more)),
    };
    if now.alive() == Some(0) || now.processes.iter().all(|(_, standing)| standing.is_err()) {
        return format!(
            "{events}: no relay is at work. Nothing is lost; it begins with the oldest when one starts."
        );
    }
    let Ok(inbox) = &now.inbox else {
        return "The basket does not answer: what is for it waits in its queue.".to_owned();
    };
    if outbox.log.failed > 0 {
        return "An event cannot be published, and its key waits for your decision.".to_owned();
    }
    match &inbox.queues {
        None => format!("{events}: the broker does not answer."),
        Some(queues) if queues.dead > 0 => {
            "The basket could not handle a message: look at the dead letters.".to_owned()
        }
        Some(queues) if pending + i64::try_from(queues.ready + inbox.in_hand).unwrap_or(i64::MAX) > 0 => {
            "Events are on their way.".to_owned()
        }
        Some(_) => "All is quiet: every event has arrived.".to_owned(),
    }
}

fn charts(end: DateTime<Utc>, history: &History) -> Vec<Chart> {
    let level = |figure: fn(&Sample) -> Option<i64>| -> Points {
        let value =
            |sample: &Sample| figure(sample).and_then(|value| i32::try_from(value).ok()).map(f64::from);
        history.samples().map(|sample| (sample.at, value(sample))).collect()
    };
    let waiting = [
        ("in the log", "one", level(|sample| sample.pending)),
        ("in the queues", "two", level(|sample| sample.queued)),
    ];
    let rates = [
        ("committed", "one", history.rates(|sample| sample.committed)),
        ("published", "two", history.rates(|sample| sample.published)),
        ("received", "three", history.rates(|sample| sample.handled)),
    ];
    vec![
        Chart::draw("chart-waiting", "Events that wait", end, &waiting, without_relay(end, history)),
        Chart::draw("chart-rates", "Events a second", end, &rates, without_relay(end, history)),
    ]
}

/// The times in which no relay was alive.
fn without_relay(end: DateTime<Utc>, history: &History) -> Vec<Gap> {
    let samples: Vec<&Sample> = history.samples().collect();
    let runs = samples.chunk_by(|one, next| (one.alive == Some(0)) == (next.alive == Some(0)));
    let dead = runs.filter(|run| run.first().is_some_and(|sample| sample.alive == Some(0)));
    dead.filter_map(|run| Some(Gap::new(run.first()?.at, run.last()?.at, end))).collect()
}

/// Owners have the letters A, B, … in the order in which they began.
fn mark(members: &[Member], index: usize) -> Option<Mark> {
    members.get(index).filter(|member| !member.partitions.is_empty())?;
    let letter = u8::try_from(index % 26).ok().map(|offset| char::from(b'A' + offset))?;
    Some(Mark { letter, colour: index % 6 + 1 })
}

fn relays(now: &Snapshot, members: &[Member]) -> Vec<RelayCard> {
    let card = |name: &str, process: Option<bool>, member: Option<usize>| {
        let known = member.and_then(|index| members.get(index));
        let answers = process.unwrap_or_default();
        let (state, class) = match (process, known) {
            (_, Some(member)) if member.alive && process != Some(false) => ("at work", "well"),
            (Some(true), _) => ("runs, owns nothing yet", "busy"),
            (Some(false), Some(member)) if member.alive => {
                ("does not answer, and its lease still runs", "trouble")
            }
            (Some(false), _) => ("does not answer", "away"),
            _ => ("ended", "away"),
        };
        RelayCard {
            name: name.to_owned(),
            mark: member.and_then(|index| mark(members, index)),
            state,
            class,
            since: known.map(|member| member.since.format("%H:%M:%S").to_string()).unwrap_or_default(),
            owns: known.map_or(0, |member| member.partitions.len()),
            is_ours: process.is_some(),
            answers,
        }
    };
    // Of several with one name the youngest counts: the others are what a killed process has left.
    let of_name = |name: &str| members.iter().rposition(|member| member.name == name);
    let ours = now.processes.iter().map(|(name, standing)| card(name, Some(standing.is_ok()), of_name(name)));
    let is_ours = |member: &Member| now.processes.iter().any(|(name, _)| *name == member.name);
    let others = members.iter().enumerate().filter(|(_, member)| !is_ours(member));
    ours.chain(others.map(|(index, member)| card(&member.name, None, Some(index)))).collect()
}

fn map(members: &[Member]) -> Vec<Cell> {
    let cell = |number| {
        let owner = members.iter().position(|member| member.partitions.contains(&number));
        let name = owner.and_then(|index| members.get(index)).map_or("nobody", |member| member.name.as_str());
        Cell {
            owner: owner.and_then(|index| mark(members, index)),
            title: format!("partition {number}: {name}"),
        }
    };
    (0..PARTITIONS).map(cell).collect()
}
