//! The log and the relay registry, in memory: the part of PostgreSQL that the relay relies on.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use relay_engine::{Batch, Failed, Lease, Pending, Poll, Renewed, Take};
use uuid::Uuid;

use crate::{flaw::Flaw, schedule::Scheduled};

/// Partitions of the log; keys are spread over them by number.
const PARTITIONS: i16 = 4;

/// The types of events.
pub(crate) const TYPES: [&str; 3] = ["a", "b", "c"];

/// How long a lease lasts, in microseconds.
const LEASE: u64 = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Published,
    Failed,
    Skipped,
}

/// A row of the log.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) event: Event,
    pub(crate) committed: bool,
    pub(crate) state: State,
    pub(crate) poison: Poison,
    /// When it was committed.
    pub(crate) committed_at: u64,
    has_failed: bool,
    transaction: u64,
}

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    None,
    /// It cannot become a message.
    Unwritable,
    /// The broker closes the channel on which it is sent.
    TooLarge,
}

/// What a relay reads of it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) position: i64,
    pub(crate) key: Rc<str>,
    pub(crate) partition: i16,
    pub(crate) kind: &'static str,
}

impl Pending for Event {
    fn id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.position.unsigned_abs()))
    }

    fn position(&self) -> i64 {
        self.position
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn event_type(&self) -> &str {
        self.kind
    }

    fn partition(&self) -> i16 {
        self.partition
    }

    fn size(&self) -> usize {
        1
    }
}

fn is_settled(state: State) -> bool {
    matches!(state, State::Published | State::Skipped)
}

/// The index in the log of the event with this id.
pub(crate) fn index_of(id: Uuid) -> usize {
    usize::try_from(id.as_u128() - 1).unwrap_or(usize::MAX)
}

#[derive(Default, Clone)]
struct Owner {
    relay: Option<u64>,
    epoch: i64,
    owned_until: u64,
}

pub(crate) struct Database {
    pub(crate) rows: Vec<Row>,
    /// The committed rows of each key, in their order.
    pub(crate) of_key: Vec<Vec<usize>>,
    keys: Vec<Rc<str>>,
    locked: Vec<bool>,
    next_transaction: u64,
    open: BTreeSet<u64>,
    sessions: HashSet<u64>,
    /// Until when each relay with a broker counts as alive.
    alive_until: HashMap<u64, u64>,
    owners: Vec<Owner>,
    pub(crate) scheduled: Vec<Scheduled>,
    pub(crate) flaw: Option<Flaw>,
}

impl Database {
    pub(crate) fn new(keys: usize, flaw: Option<Flaw>) -> Self {
        Self {
            rows: Vec::new(),
            of_key: vec![Vec::new(); keys],
            keys: (0..keys).map(|key| Rc::from(key.to_string())).collect(),
            locked: vec![false; keys],
            next_transaction: 1,
            open: BTreeSet::new(),
            sessions: HashSet::new(),
            alive_until: HashMap::new(),
            owners: vec![Owner::default(); usize::try_from(PARTITIONS).unwrap_or_default()],
            scheduled: Vec::new(),
            flaw,
        }
    }

    /// A writer locks a key and appends an event about it. `None` while another has the lock.
    pub(crate) fn append(&mut self, key: usize, event_type: &'static str, poison: Poison) -> Option<usize> {
        if std::mem::replace(self.locked.get_mut(key)?, true) {
            return None;
        }
        let transaction = self.next_transaction;
        self.next_transaction += 1;
        self.open.insert(transaction);
        let position = i64::try_from(self.rows.len()).ok()? + 1;
        let partition = i16::try_from(key).ok()? % PARTITIONS;
        let event = Event { position, key: Rc::clone(self.keys.get(key)?), partition, kind: event_type };
        let (state, committed_at) = (State::Pending, 0);
        self.rows.push(Row {
            event,
            committed: false,
            state,
            poison,
            committed_at,
            has_failed: false,
            transaction,
        });
        Some(self.rows.len() - 1)
    }

    /// The writer commits, or rolls back.
    pub(crate) fn end(&mut self, index: usize, commit: bool, now: u64) {
        let Some(row) = self.rows.get_mut(index) else { return };
        self.open.remove(&row.transaction);
        row.committed = commit;
        row.committed_at = now;
        let key: usize = row.event.key.parse().unwrap_or_default();
        if let Some(locked) = self.locked.get_mut(key) {
            *locked = false;
        }
        if commit && let Some(rows) = self.of_key.get_mut(key) {
            rows.push(index);
        }
    }

    pub(crate) fn open_session(&mut self, session: u64) {
        self.sessions.insert(session);
    }

    /// Ends a session. Returns `false` if it had ended already.
    pub(crate) fn end_session(&mut self, session: u64) -> bool {
        self.sessions.remove(&session)
    }

    pub(crate) fn end_all_sessions(&mut self) {
        self.sessions.clear();
    }

    pub(crate) fn has_session(&self, session: u64) -> bool {
        self.sessions.contains(&session)
    }

    fn is_alive(&self, relay: u64, now: u64) -> bool {
        self.alive_until.get(&relay).is_some_and(|until| *until > now) && self.sessions.contains(&relay)
    }

    /// A relay is known by its session: with another session it is another relay.
    pub(crate) fn rebalance(&mut self, relay: u64, take: Take, now: u64) -> Vec<Lease> {
        if take == Take::Nothing && self.flaw != Some(Flaw::OwnsWithoutBroker) {
            self.release(relay);
            return Vec::new();
        }
        self.alive_until.insert(relay, now + LEASE);
        let alive: HashSet<u64> =
            self.alive_until.keys().copied().filter(|other| self.is_alive(*other, now)).collect();
        self.alive_until.retain(|other, _| alive.contains(other));
        let share = self.owners.len().div_ceil(alive.len().max(1));
        let mut owned = 0;
        for owner in self.owners.iter_mut().filter(|owner| owner.relay == Some(relay)) {
            owned += 1;
            if owned > share {
                owner.relay = None;
            } else {
                owner.owned_until = now + LEASE;
            }
        }
        for owner in &mut self.owners {
            let is_free = owner
                .relay
                .is_none_or(|other| other != relay && (owner.owned_until < now || !alive.contains(&other)));
            if is_free && owned < share {
                owned += 1;
                *owner = Owner { relay: Some(relay), epoch: owner.epoch + 1, owned_until: now + LEASE };
            }
        }
        let leases = (0..).zip(&self.owners).filter(|(_, owner)| owner.relay == Some(relay));
        leases.map(|(partition, owner)| Lease { partition, epoch: owner.epoch }).collect()
    }

    pub(crate) fn renew(&mut self, relay: u64, now: u64) -> Renewed {
        if let Some(until) = self.alive_until.get_mut(&relay) {
            *until = now + LEASE;
        }
        let alive = self.alive_until.values().filter(|until| **until > now).count();
        let share = self.owners.len().div_ceil(alive.max(1));
        let mut owned = 0;
        for owner in &mut self.owners {
            if owner.relay == Some(relay) && owner.owned_until > now {
                owner.owned_until = now + LEASE;
                owned += 1;
            }
        }
        let some_free = self.owners.iter().any(|owner| owner.relay.is_none() || owner.owned_until < now);
        Renewed { owned, is_unbalanced: owned > share || (owned < share && some_free) }
    }

    pub(crate) fn release(&mut self, relay: u64) {
        self.alive_until.remove(&relay);
        for owner in self.owners.iter_mut().filter(|owner| owner.relay == Some(relay)) {
            owner.relay = None;
        }
    }

    pub(crate) fn poll(&self, poll: &Poll, now: u64) -> Batch<Event> {
        let mut blocked: HashSet<&str> = HashSet::new();
        let mut events = Vec::new();
        let mut failed = HashSet::new();
        for row in self.rows.iter().filter(|row| row.committed) {
            let Event { position, key, partition, .. } = &row.event;
            if !poll.partitions.contains(partition) {
                continue;
            }
            if row.state == State::Failed {
                blocked.insert(key);
            }
            if row.state == State::Failed || row.has_failed && self.flaw == Some(Flaw::IgnoresRequeues) {
                failed.insert(row.event.id());
            }
            if row.state == State::Pending
                && *position > poll.after
                && *position <= poll.up_to
                && !poll.known.contains(position)
                && !blocked.contains(&**key)
                && events.len() < poll.limit
            {
                events.push(row.event.clone());
            }
        }
        let oldest_open = match self.flaw {
            Some(Flaw::TrustsPositions) => u64::MAX,
            _ => self.open.first().copied().unwrap_or(self.next_transaction),
        };
        let settled = self.rows.iter().rfind(|row| row.committed && is_settled(row.state));
        let head = settled.map_or(0, |row| row.event.position);
        Batch { resets: poll.resets, events, oldest_open, head, failed, next_due: self.next_due(now) }
    }

    /// How many dead entries a poll passes.
    pub(crate) fn dead_entries(&self, poll: &Poll) -> usize {
        let range = |row: &&Row| row.event.position > poll.after && row.event.position <= poll.up_to;
        self.rows.iter().filter(range).filter(|row| is_settled(row.state)).count()
    }

    /// Returns the transaction's number.
    pub(crate) fn mark(&mut self, ids: &[Uuid]) -> u64 {
        for id in ids {
            if let Some(row) = self.rows.get_mut(index_of(*id)) {
                row.state = State::Published;
            }
        }
        self.next_transaction += 1;
        self.next_transaction - 1
    }

    /// Returns those that were marked.
    pub(crate) fn mark_failed(&mut self, failed: &[Failed], relay: u64, now: u64) -> Vec<Uuid> {
        let mut done = Vec::new();
        for Failed { id, lease, .. } in failed {
            let owner = usize::try_from(lease.partition).ok().and_then(|index| self.owners.get(index));
            let holds = owner.is_some_and(|owner| {
                owner.relay == Some(relay) && owner.epoch == lease.epoch && owner.owned_until > now
            });
            if let Some(row) = self.rows.get_mut(index_of(*id)).filter(|row| row.state == State::Pending)
                && holds
            {
                row.state = State::Failed;
                row.has_failed = true;
                done.push(*id);
            }
        }
        done
    }

    /// Whether a relay owns partitions.
    pub(crate) fn owns_some(&self, relay: u64, now: u64) -> bool {
        self.owners.iter().any(|owner| owner.relay == Some(relay) && owner.owned_until > now)
    }

    /// Whether every committed and every scheduled event has been published or skipped.
    pub(crate) fn is_drained(&self) -> bool {
        let mut committed = self.rows.iter().filter(|row| row.committed);
        self.scheduled.is_empty() && committed.all(|row| is_settled(row.state))
    }
}
