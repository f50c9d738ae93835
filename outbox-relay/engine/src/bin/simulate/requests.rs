//! The requests of relays to the broker and the database, and the answers.

use relay_engine::{Action, Outcome};
use uuid::Uuid;

use crate::{
    database::index_of,
    flaw::Flaw,
    relay::Input,
    world::{MS, Plan, SECOND, SILENCE, World},
};

impl World {
    pub(crate) fn perform(&mut self, relay: usize, action: Action) {
        let latency = self.latency();
        let Some(running) = self.process(relay) else { return };
        let (process, mut session) = (running.id, running.session);
        match action {
            Action::Connect => {
                let up = self.broker_is_up;
                let input = if up { Input::Connected } else { Input::BrokerLost };
                if up {
                    let connection = self.number();
                    self.connections.push((connection, self.now));
                    if let Some(running) = self.process(relay) {
                        running.connection = Some(connection);
                    }
                }
                self.after(latency, Plan::Deliver { relay, process, input });
            }
            Action::Send(id) => self.send(relay, id),
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

    fn send(&mut self, relay: usize, id: Uuid) {
        let row = self.database.rows.get(index_of(id));
        let is_poison = row.is_some_and(|row| row.poison);
        let (latency, instant) = (self.latency(), self.instant());
        self.note(|| format!("relay {relay} sends event {}", id.as_u128()));
        let Some(running) = self.process(relay) else { return };
        if is_poison {
            running.engine.sent(id, Outcome::Refused("poison".to_owned()), instant);
            return;
        }
        let process = running.id;
        let Some(connection) = running.connection else {
            running.engine.sent(id, Outcome::Unknown, instant);
            return;
        };
        running.unconfirmed.push(id);
        if self.flaw == Some(Flaw::MarksUnconfirmed) {
            self.oracle.marked(&[id]);
        }
        // Messages arrive in the order in which they were sent, even if the process ends.
        let now = self.now;
        let Some((_, last)) = self.connections.iter_mut().find(|(number, _)| *number == connection) else {
            self.after(MS, Plan::Deliver { relay, process, input: Input::Sent(id, Outcome::Unknown) });
            return;
        };
        *last = (*last).max(now + latency);
        let at = *last;
        self.agenda.plan(at, Plan::Arrive { connection, id, relay, process });
    }

    /// A message reaches the broker, which takes it, refuses it, or stays silent about it.
    pub(crate) fn arrive(&mut self, connection: u64, id: Uuid, relay: usize, process: u64) {
        let stands = self.connections.iter().any(|(number, _)| *number == connection);
        if !stands || !self.broker_is_up {
            return;
        }
        if self.broker_blocks {
            // It reads again when it has memory.
            let at = self.now + 50 * MS;
            self.agenda.plan(at, Plan::Arrive { connection, id, relay, process });
            return;
        }
        let refuses = self.to_break > 0 && self.chance(60);
        let mut outcome = Outcome::Nacked;
        if !refuses {
            if self.flaw == Some(Flaw::ConfirmsAndLoses) && self.chance(20) {
                self.note(|| format!("event {} is confirmed and lost", id.as_u128()));
            } else {
                self.oracle.accepted(id, &self.database);
            }
            outcome = Outcome::Published;
        }
        let silent = self.to_break > 0 && self.chance(150);
        self.note(|| format!("event {} arrives: refused {refuses}, silent {silent}", id.as_u128()));
        if silent {
            let at = self.now + SILENCE;
            self.agenda.plan(at, Plan::Deliver { relay, process, input: Input::Sent(id, Outcome::Unknown) });
        } else {
            let latency = self.latency();
            self.after(latency, Plan::Deliver { relay, process, input: Input::Sent(id, outcome) });
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
            Action::Rebalance => Input::Rebalanced(self.database.rebalance(session, now)),
            Action::Renew => Input::Renewed(self.database.renew(session, now)),
            Action::Poll(poll) => Input::Polled(self.database.poll(&poll)),
            Action::Mark(ids) => {
                self.note(|| {
                    format!("relay {relay} marks {:?}", ids.iter().map(Uuid::as_u128).collect::<Vec<_>>())
                });
                self.oracle.marked(&ids);
                Input::Marked(self.database.mark(&ids))
            }
            Action::MarkFailed(id, _, lease) => {
                let done = self.database.mark_failed(id, session, lease, now);
                if done {
                    self.oracle.marked_failed(id, &self.database);
                }
                Input::MarkedFailed(done)
            }
            Action::Release => {
                self.database.release(session);
                Input::Released
            }
            Action::Connect | Action::Send(_) => return,
        };
        // The answer to a statement that was carried out may be lost.
        if self.to_break > 0 && self.chance(200) {
            self.session_ends(session);
            return;
        }
        let latency = self.latency();
        self.after(latency, Plan::Deliver { relay, process, input });
    }
}
