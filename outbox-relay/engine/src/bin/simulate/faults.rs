//! The faults, and how each of them ends.

use relay_engine::{Action, Outcome};

use crate::{
    relay::Input,
    world::{MS, Plan, SECOND, World},
};

impl World {
    pub(crate) fn fault(&mut self) {
        if self.to_break == 0 {
            return;
        }
        self.to_break -= 1;
        let relay = self.rng.usize(0..self.relays.len());
        match self.rng.u8(0..9) {
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
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        running.is_frozen = false;
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
        let Some(running) = self.process(relay) else { return };
        let (process, connection) = (running.id, running.connection.take());
        let unconfirmed = std::mem::take(&mut running.unconfirmed);
        self.connections.retain(|(number, _)| Some(*number) != connection);
        for id in unconfirmed {
            self.after(MS, Plan::Deliver { relay, process, input: Input::Sent(id, Outcome::Unknown) });
        }
        self.after(MS, Plan::Deliver { relay, process, input: Input::BrokerLost });
    }
}
