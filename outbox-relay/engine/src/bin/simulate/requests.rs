//! The requests of relays to the broker and the database, and the answers.

use relay_engine::{Action, Fault, Outcome, Refusal};
use uuid::Uuid;

use crate::{
    database::{Poison, index_of},
    flaw::Flaw,
    plan::Plan,
    relay::Input,
    world::{MS, SECOND, SILENCE, World},
};

/// A channel of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Shared,
    Bisection,
}

/// What a relay makes of the end of a channel.
fn outcome_of(refusal: Refusal, flaw: Option<Flaw>) -> Outcome {
    match flaw {
        Some(Flaw::BlamesAll) => Outcome::Failed(refusal.reason),
        Some(Flaw::BlamesConnection) => Outcome::Unknown,
        _ => Outcome::ChannelClosed(refusal),
    }
}

impl World {
    pub(crate) fn perform(&mut self, relay: usize, action: Action) {
        let latency = self.latency();
        let Some(running) = self.process(relay) else { return };
        let (process, mut session) = (running.id, running.session);
        match action {
            Action::Connect => self.connect(relay),
            Action::Send(id) => self.send(relay, id, Channel::Shared),
            Action::Probe(id) => self.send(relay, id, Channel::Bisection),
            other => {
                if other == Action::Open {
                    session = self.number();
                    if let Some(running) = self.process(relay) {
                        running.session = session;
                    }
                }
                let slow = self.now < self.slow_until;
                let latency = if slow { self.rng.u64(SECOND..5 * SECOND) } else { latency };
                self.after(latency, Plan::Execute { relay, process, session, action: other });
            }
        }
    }

    /// Opens a channel, on a new connection unless there is one.
    fn connect(&mut self, relay: usize) {
        let (latency, channel) = (self.latency(), self.number());
        let reaches = self.broker_is_up && self.cut_until.get(relay).is_none_or(|until| *until <= self.now);
        let now = self.now;
        let connection = self.process(relay).and_then(|running| running.connection);
        let stands = self.connections.iter().any(|(number, _)| Some(*number) == connection);
        let connection = if stands { connection } else { reaches.then(|| self.number()) };
        let Some(running) = self.process(relay) else { return };
        let (process, mut input) = (running.id, Input::BrokerLost);
        let is_connected = connection.is_some();
        running.connection = connection;
        if let Some(connection) = connection {
            running.channels[Channel::Shared as usize] = channel;
            running.without_broker_since = None;
            input = Input::Connected;
            if !stands {
                self.connections.push((connection, now));
            }
        }
        self.note(|| format!("relay {relay} connects to the broker: {is_connected}"));
        self.after(latency, Plan::Deliver { relay, process, input });
    }

    fn send(&mut self, relay: usize, id: Uuid, channel: Channel) {
        let row = self.database.rows.get(index_of(id));
        let is_unwritable = row.is_some_and(|row| row.poison == Poison::Unwritable);
        let (latency, instant, new_channel) = (self.latency(), self.instant(), self.number());
        self.note(|| format!("relay {relay} sends event {} ({channel:?})", id.as_u128()));
        let closed = std::mem::take(&mut self.closed_channels);
        let flaw = self.flaw;
        let Some(running) = self.process(relay) else { return };
        let number = &mut running.channels[channel as usize];
        if channel == Channel::Bisection && (*number == 0 || closed.contains_key(number)) {
            *number = new_channel;
        }
        let (process, channel, connection) = (running.id, *number, running.connection);
        let refusal = closed.get(&channel).cloned();
        if is_unwritable {
            running.engine.answered(id, Outcome::Failed("poison".to_owned()), instant);
        } else if connection.is_none() {
            running.engine.answered(id, Outcome::Unknown, instant);
        } else {
            running.unconfirmed.push((id, channel));
        }
        self.closed_channels = closed;
        let Some(connection) = connection.filter(|_| !is_unwritable) else { return };
        if let Some(refusal) = refusal {
            let outcome = outcome_of(refusal, flaw);
            self.after(MS, Plan::Deliver { relay, process, input: Input::Answered(id, outcome) });
            return;
        }
        if self.flaw == Some(Flaw::MarksUnconfirmed) {
            self.oracle.marked(&[id]);
        }
        // Messages arrive in the order in which they were sent, even if the process ends.
        let now = self.now;
        let Some((_, last)) = self.connections.iter_mut().find(|(number, _)| *number == connection) else {
            self.after(MS, Plan::Deliver { relay, process, input: Input::Answered(id, Outcome::Unknown) });
            return;
        };
        *last = (*last).max(now + latency);
        let at = *last;
        self.agenda.plan(at, Plan::Arrive { connection, channel, id, relay, process });
    }

    /// A message reaches the broker, which takes it, refuses it, or stays silent about it.
    pub(crate) fn arrive(&mut self, connection: u64, channel: u64, id: Uuid, relay: usize, process: u64) {
        let stands = self.connections.iter().any(|(number, _)| *number == connection);
        if !stands || !self.broker_is_up || self.closed_channels.contains_key(&channel) {
            return;
        }
        let is_mute = self.mute_until.get(relay).is_some_and(|until| *until > self.now);
        if is_mute && self.process(relay).is_some_and(|running| running.connection == Some(connection)) {
            self.cut_connection(relay);
            return;
        }
        if self.broker_blocks {
            // It reads again when it has memory.
            let at = self.now + 50 * MS;
            self.agenda.plan(at, Plan::Arrive { connection, channel, id, relay, process });
            return;
        }
        let Some(row) = self.database.rows.get(index_of(id)) else { return };
        let (event_type, is_too_large) = (row.event.kind, row.poison == Poison::TooLarge);
        let key: usize = row.event.key.parse().unwrap_or_default();
        if is_too_large || self.is_forbidden(event_type) {
            let named = Some(event_type.to_owned()).filter(|_| self.habits.names_types);
            let fault = if is_too_large { Fault::Event } else { Fault::Type(named) };
            let refusal = Refusal { reason: "refused".to_owned(), fault };
            self.close_channel(relay, process, channel, &refusal);
            return;
        }
        let is_full = self.full.contains(event_type) && (self.habits.isolates || !self.chance(4));
        let refuses = is_full || self.to_break > 0 && self.chance(60);
        let mut outcome =
            if self.flaw == Some(Flaw::PausesEverything) { Outcome::Unanswered } else { Outcome::Nacked };
        if !refuses {
            if self.flaw == Some(Flaw::ConfirmsAndLoses) && self.chance(20) {
                self.note(|| format!("event {} is confirmed and lost", id.as_u128()));
            } else {
                if let Some(moved_at) = self.moved_at.get_mut(key) {
                    *moved_at = self.now;
                }
                self.oracle.accepted(id, &self.database);
            }
            outcome = Outcome::Published;
        }
        let silent = self.to_break > 0 && self.chance(150);
        self.note(|| format!("event {} arrives: refused {refuses}, silent {silent}", id.as_u128()));
        if silent {
            let at = self.now + SILENCE;
            self.agenda
                .plan(at, Plan::Deliver { relay, process, input: Input::Answered(id, Outcome::Unknown) });
        } else {
            let latency = self.latency();
            self.after(latency, Plan::Deliver { relay, process, input: Input::Answered(id, outcome) });
        }
    }

    /// The broker closes a channel. Everything that is in flight on it gets the same answer.
    fn close_channel(&mut self, relay: usize, process: u64, channel: u64, refusal: &Refusal) {
        self.note(|| format!("relay {relay}: channel {channel} is closed: {:?}", refusal.fault));
        self.closed_channels.insert(channel, refusal.clone());
        let at = self.now + self.latency();
        let flaw = self.flaw;
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        let all = std::mem::take(&mut running.unconfirmed);
        let (lost, kept) = all.into_iter().partition(|(_, on)| *on == channel);
        running.unconfirmed = kept;
        let lost: Vec<(Uuid, u64)> = lost;
        for (id, _) in lost {
            let input = Input::Answered(id, outcome_of(refusal.clone(), flaw));
            self.agenda.plan(at, Plan::Deliver { relay, process, input });
        }
    }

    /// A statement is carried out, and the answer sent back.
    pub(crate) fn execute(&mut self, relay: usize, process: u64, session: u64, action: Action) {
        let now = self.now;
        if !self.database_is_up || (action != Action::Open && !self.database.has_session(session)) {
            self.after(MS, Plan::Deliver { relay, process, input: Input::DatabaseLost });
            return;
        }
        let input = match action {
            Action::Open => {
                // A process that was killed meanwhile opens no session.
                if self.process(relay).is_some_and(|running| running.id == process) {
                    self.database.open_session(session);
                }
                Input::Opened
            }
            Action::Rebalance(take) => {
                let leases = self.database.rebalance(session, take, now);
                self.note(|| format!("relay {relay} takes {take:?}: {} partitions", leases.len()));
                Input::Rebalanced(leases)
            }
            Action::Renew => Input::Renewed(self.database.renew(session, now)),
            Action::Poll(poll)
                if self.habits.scan_limit.is_some_and(|limit| self.database.dead_entries(&poll) > limit) =>
            {
                self.note(|| format!("relay {relay} reads {}..{}: takes too long", poll.after, poll.up_to));
                Input::PollTimedOut
            }
            Action::Poll(poll) => {
                let batch = self.database.poll(&poll, now);
                let events = batch.events.len();
                self.note(|| format!("relay {relay} reads {}..{}: {events} events", poll.after, poll.up_to));
                Input::Polled(batch)
            }
            Action::MoveDue => self.move_due(relay),
            Action::Mark(ids) => {
                self.note(|| {
                    format!("relay {relay} marks {:?}", ids.iter().map(Uuid::as_u128).collect::<Vec<_>>())
                });
                self.oracle.marked(&ids);
                Input::Marked(self.database.mark(&ids))
            }
            Action::MarkFailed(failed) => {
                let done = self.database.mark_failed(&failed, session, now);
                for id in &done {
                    let row = self.database.rows.get(index_of(*id));
                    let forbidden = row.is_some_and(|row| self.was_forbidden(row.event.kind));
                    self.oracle.marked_failed(*id, forbidden, &self.database);
                }
                Input::MarkedFailed(done)
            }
            Action::Release => {
                self.database.release(session);
                Input::Released
            }
            Action::Connect | Action::Send(_) | Action::Probe(_) => return,
        };
        // The answer to a statement that was carried out may be lost.
        if self.to_break > 0 && self.chance(200) {
            self.session_ends(session);
            return;
        }
        let latency = self.latency();
        self.after(latency, Plan::Answer { relay, process, session, input });
    }
}
