//! The faults, and how each of them ends.

use relay_engine::{Action, Outcome};

use crate::{
    database::TYPES,
    plan::Plan,
    relay::Input,
    world::{MS, SECOND, World},
};

impl World {
    pub(crate) fn fault(&mut self) {
        if self.to_break == 0 {
            return;
        }
        self.to_break -= 1;
        let relay = self.rng.usize(0..self.relays.len());
        match self.rng.u8(0..13) {
            0 => self.kill(relay),
            1 => self.freeze(relay, None),
            2 => self.cut_connection(relay),
            3 => {
                self.note(|| "the broker goes down".to_owned());
                self.broker_is_up = false;
                for relay in 0..self.relays.len() {
                    self.cut_connection(relay);
                }
                self.after(3 * SECOND, Plan::BrokerReturns);
            }
            4 => {
                self.block(true);
                self.after(3 * SECOND, Plan::Unblock);
            }
            5 => {
                if let Some(session) = self.process(relay).map(|running| running.session) {
                    self.session_ends(session);
                }
            }
            6 => {
                self.note(|| "the database goes down".to_owned());
                self.database_is_up = false;
                let sessions: Vec<u64> =
                    self.relays.iter().flatten().map(|running| running.session).collect();
                for session in sessions {
                    self.session_ends(session);
                }
                self.database.end_all_sessions();
                self.after(2 * SECOND, Plan::DatabaseReturns);
            }
            7 => {
                self.note(|| "the database becomes slow".to_owned());
                self.slow_until = self.now + 8 * SECOND;
            }
            8 | 9 => self.trouble_type(8 * SECOND),
            10 => {
                // Long enough to be without partitions afterwards.
                if let Some(until) = self.cut_until.get_mut(relay) {
                    *until = self.now + 9 * SECOND;
                }
                self.cut_connection(relay);
            }
            11 => {
                self.note(|| format!("the user of relay {relay} may not publish"));
                if let Some(until) = self.mute_until.get_mut(relay) {
                    *until = self.now + 9 * SECOND;
                }
            }
            _ => {
                self.note(|| format!("relay {relay} is asked to stop"));
                if let Some(running) = self.process(relay).filter(|running| !running.is_frozen) {
                    running.engine.stop();
                    self.work(relay);
                    self.after(2 * SECOND, Plan::Start { relay });
                }
            }
        }
        self.broken();
        self.after(2 * SECOND, Plan::Fault);
    }

    /// Relays may not publish a type, or a queue of it is full.
    pub(crate) fn trouble_type(&mut self, at_most: u64) {
        let event_type = TYPES[self.rng.usize(0..TYPES.len())];
        let until = self.now + self.rng.u64(1..=at_most);
        self.trouble_until = until;
        if self.rng.bool() {
            self.note(|| format!("relays may not publish type {event_type}"));
            self.forbidden.insert(event_type, u64::MAX);
            self.agenda.plan(until, Plan::Permit { event_type });
        } else {
            self.note(|| format!("a queue of type {event_type} is full"));
            self.full.insert(event_type);
            self.agenda.plan(until, Plan::Drain { event_type });
        }
    }

    pub(crate) fn is_forbidden(&self, event_type: &str) -> bool {
        self.forbidden.get(event_type).is_some_and(|until| *until > self.now)
    }

    /// Whether a type is forbidden, or was a moment ago.
    pub(crate) fn was_forbidden(&self, event_type: &str) -> bool {
        self.forbidden.get(event_type).is_some_and(|until| until.saturating_add(20 * SECOND) > self.now)
    }

    pub(crate) fn broken(&mut self) {
        self.faults += 1;
        // No fault lasts longer than this.
        self.last_fault = self.now + 10 * SECOND;
    }

    pub(crate) fn block(&mut self, blocks: bool) {
        self.broker_blocks = blocks;
        for relay in 0..self.relays.len() {
            self.send_input(relay, Input::Tick);
        }
    }

    pub(crate) fn kill(&mut self, relay: usize) {
        self.note(|| format!("relay {relay} is killed"));
        self.end_process(relay);
        self.broken();
    }

    pub(crate) fn freeze(&mut self, relay: usize, stale: Option<Action>) {
        self.note(|| format!("relay {relay} freezes before {stale:?}"));
        let Some(running) = self.process(relay).filter(|running| !running.is_frozen) else { return };
        running.is_frozen = true;
        running.stale = stale;
        let process = running.id;
        self.after(8 * SECOND, Plan::Thaw { relay, process });
        self.broken();
    }

    pub(crate) fn thaw(&mut self, relay: usize, process: u64) {
        let now = self.now;
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        running.is_frozen = false;
        running.without_broker_since = running.without_broker_since.map(|_| now);
        let held = std::mem::take(&mut running.held);
        let stale = running.stale.take();
        self.note(|| format!("relay {relay} thaws"));
        if let Some(action) = stale {
            self.perform(relay, action);
        }
        for input in held {
            self.deliver(relay, process, input);
        }
        self.deliver(relay, process, Input::Tick);
    }

    /// A session has ended. Its relay learns of it; other relays may.
    pub(crate) fn session_ends(&mut self, session: u64) {
        if !self.database.end_session(session) {
            return;
        }
        for relay in 0..self.relays.len() {
            let Some(running) = self.process(relay) else { continue };
            if running.session == session {
                self.send_input(relay, Input::DatabaseLost);
            } else if self.habits.notifies && !self.chance(4) {
                self.send_input(relay, Input::PeerLeft);
            }
        }
    }

    /// The connection is cut. Events in flight may have arrived; their outcome is unknown.
    pub(crate) fn cut_connection(&mut self, relay: usize) {
        self.note(|| format!("relay {relay} loses its connection to the broker"));
        let now = self.now;
        let Some(running) = self.process(relay) else { return };
        let (process, connection) = (running.id, running.connection.take());
        running.without_broker_since.get_or_insert(now);
        let unconfirmed = std::mem::take(&mut running.unconfirmed);
        self.connections.retain(|(number, _)| Some(*number) != connection);
        for (id, _) in unconfirmed {
            self.after(MS, Plan::Deliver { relay, process, input: Input::Answered(id, Outcome::Unknown) });
        }
        self.after(MS, Plan::Deliver { relay, process, input: Input::BrokerLost });
    }
}
