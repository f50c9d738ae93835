//! A schedule: relays, a database and a broker, writers, an operator, and everything that goes wrong.

use std::time::{Duration, Instant};

use fastrand::Rng;
use relay_engine::{Action, Refusal, Terms};
use uuid::Uuid;

use crate::{
    Flaw,
    agenda::Agenda,
    database::{Database, State, index_of},
    relay::{Input, Process},
    witness::Witness,
};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;

/// How long a broker may be silent before a relay gives its connection up.
const SILENCE: u64 = 5 * SECOND;

/// When everything must have been published after the last fault, at the latest.
const PATIENCE: u64 = 60 * SECOND;

/// Something that happens.
enum Plan {
    Tell { relay: usize, process: u64, input: Input },
    Execute { relay: usize, process: u64, session: u64, action: Action },
    Arrive { connection: u64, id: Uuid, relay: usize, process: u64 },
    Write,
    End { index: usize, commit: bool },
    Fault,
    Start { relay: usize },
    Thaw { relay: usize, process: u64 },
    SessionEnds { session: u64 },
    BrokerReturns,
    DatabaseReturns,
    Unblock,
    Operate,
}

/// What became of a schedule.
pub(crate) struct Outcome {
    pub(crate) published: u64,
    pub(crate) repeats: u64,
    pub(crate) faults: u64,
    pub(crate) violation: Option<String>,
}

pub(crate) struct World {
    rng: Rng,
    epoch: Instant,
    now: u64,
    agenda: Agenda<Plan>,
    database: Database,
    witness: Witness,
    relays: Vec<Option<Process>>,
    terms: Terms,
    keys: usize,
    to_write: u32,
    to_break: u32,
    faults: u64,
    last_fault: u64,
    next_number: u64,
    broker_is_up: bool,
    broker_blocks: bool,
    database_is_up: bool,
    /// The connections that stand, and when the last message of each arrives.
    connections: Vec<(u64, u64)>,
    flaw: Option<Flaw>,
    pub(crate) story: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let keys = rng.usize(1..=5);
        let terms = Terms {
            chunk: rng.usize(1..=12),
            window: rng.usize(1..=8),
            bytes: rng.usize(4..=40),
            ..Terms::default()
        };
        let mut world = Self {
            epoch: Instant::now(),
            now: 0,
            agenda: Agenda::new(),
            database: Database::new(keys, flaw),
            witness: Witness::default(),
            relays: (0..rng.usize(1..=3)).map(|_| None).collect(),
            terms,
            keys,
            to_write: rng.u32(10..=60),
            to_break: rng.u32(0..=8),
            faults: 0,
            last_fault: 0,
            next_number: 1,
            broker_is_up: rng.u8(0..10) > 0,
            broker_blocks: false,
            database_is_up: true,
            connections: Vec::new(),
            flaw,
            story: None,
            rng,
        };
        for relay in 0..world.relays.len() {
            let at = world.rng.u64(0..SECOND);
            world.agenda.plan(at, Plan::Start { relay });
        }
        if !world.broker_is_up {
            world.after(2 * SECOND, Plan::BrokerReturns);
        }
        world.after(SECOND, Plan::Write);
        world.after(2 * SECOND, Plan::Fault);
        world.after(SECOND, Plan::Operate);
        world
    }

    /// Runs until everything is published, something is wrong, or it takes too long.
    pub(crate) fn run(mut self) -> (Outcome, Option<Vec<String>>) {
        while self.witness.violation.is_none() {
            let Some((at, plan)) = self.agenda.next() else { break };
            self.now = at;
            self.happen(plan);
            if self.to_write == 0 && self.to_break == 0 && self.database.is_drained() {
                break;
            }
            if self.now > self.last_fault + PATIENCE {
                self.witness.violated("something committed was never published".to_owned());
            }
        }
        let Witness { first, repeats, violation, .. } = self.witness;
        (Outcome { published: first, repeats, faults: self.faults, violation }, self.story)
    }

    fn instant(&self) -> Instant {
        self.epoch + Duration::from_micros(self.now)
    }

    /// Plans something for a moment within `at_most` from now.
    fn after(&mut self, at_most: u64, plan: Plan) {
        let at = self.now + self.rng.u64(1..=at_most);
        self.agenda.plan(at, plan);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(0..one_in) == 0
    }

    /// Mostly quick, at times slow.
    fn latency(&mut self) -> u64 {
        if self.chance(40) { self.rng.u64(MS..800 * MS) } else { self.rng.u64(50..5 * MS) }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{:>11.6} {}", Duration::from_micros(now).as_secs_f64(), text()));
        }
    }

    fn happen(&mut self, plan: Plan) {
        match plan {
            Plan::Tell { relay, process, input } => self.deliver(relay, process, input),
            Plan::Execute { relay, process, session, action } => {
                self.execute(relay, process, session, action)
            }
            Plan::Arrive { connection, id, relay, process } => self.arrive(connection, id, relay, process),
            Plan::Write => self.write(),
            Plan::End { index, commit } => self.end(index, commit),
            Plan::Fault => self.fault(),
            Plan::Start { relay } => self.start(relay),
            Plan::Thaw { relay, process } => self.thaw(relay, process),
            Plan::SessionEnds { session } => self.session_ends(session),
            Plan::BrokerReturns => self.broker_is_up = true,
            Plan::DatabaseReturns => self.database_is_up = true,
            Plan::Unblock => self.block(false),
            Plan::Operate => self.operate(),
        }
    }

    fn write(&mut self) {
        if self.to_write == 0 {
            return;
        }
        self.to_write -= 1;
        let key = self.rng.usize(0..self.keys);
        let poison = self.chance(60);
        if let Some(index) = self.database.append(key, poison) {
            // Some transactions stay open for long after they took their place.
            let open = if self.chance(8) { 2 * SECOND } else { 10 * MS };
            let commit = !self.chance(10);
            self.after(open, Plan::End { index, commit });
        }
        let pause = if self.chance(4) { 300 * MS } else { 5 * MS };
        self.after(pause, Plan::Write);
    }

    fn end(&mut self, index: usize, commit: bool) {
        self.database.end(index, commit);
        self.tell(|| format!("event {} {}", index + 1, if commit { "commits" } else { "rolls back" }));
        for relay in 0..self.relays.len() {
            if commit && !self.chance(5) {
                self.send_input(relay, Input::Notified);
            }
        }
    }

    /// An operator looks at what is parked and repairs it, or skips it.
    fn operate(&mut self) {
        let repairs = self.rng.bool();
        for row in self.database.rows.iter_mut().filter(|row| row.state == State::Parked) {
            row.state = if repairs { State::Pending } else { State::Skipped };
            row.poison = false;
        }
        self.after(2 * SECOND, Plan::Operate);
    }

    fn start(&mut self, relay: usize) {
        let (id, terms) = (self.number(), self.terms);
        if let Some(slot @ None) = self.relays.get_mut(relay) {
            *slot = Some(Process::start(id, terms));
            self.tell(|| format!("relay {relay} starts as process {id}"));
            self.deliver(relay, id, Input::Tick);
        }
    }

    /// Plans an input for the process that the relay is now.
    fn send_input(&mut self, relay: usize, input: Input) {
        if let Some(process) = self.process(relay).map(|process| process.id) {
            let latency = self.latency();
            self.after(latency, Plan::Tell { relay, process, input });
        }
    }

    fn process(&mut self, relay: usize) -> Option<&mut Process> {
        self.relays.get_mut(relay)?.as_mut()
    }

    fn deliver(&mut self, relay: usize, process: u64, input: Input) {
        let (instant, blocks) = (self.instant(), self.broker_blocks);
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        if running.is_frozen {
            running.held.push(input);
            return;
        }
        running.engine.blocked(blocks);
        running.tell(input, instant);
        self.work(relay);
    }

    /// Has a relay do what its engine asks for. It may be killed or frozen between any two actions.
    fn work(&mut self, relay: usize) {
        let instant = self.instant();
        while let Some(running) = self.process(relay) {
            let Some(action) = running.engine.next(instant) else { break };
            if self.to_break > 0 && self.chance(150) {
                if self.rng.bool() {
                    self.kill(relay);
                } else {
                    self.freeze(relay, Some(action));
                }
                return;
            }
            self.perform(relay, action);
        }
        let (now, epoch) = (self.now, self.epoch);
        let Some(running) = self.process(relay) else { return };
        if running.engine.is_over() {
            self.end_process(relay);
            return;
        }
        let Some(wake) = running.engine.wake_at(instant) else { return };
        let at = u64::try_from((wake - epoch).as_micros()).unwrap_or(u64::MAX) + 1;
        if at < running.wakes_at || running.wakes_at <= now {
            running.wakes_at = at;
            let process = running.id;
            self.agenda.plan(at, Plan::Tell { relay, process, input: Input::Tick });
        }
    }

    fn perform(&mut self, relay: usize, action: Action) {
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
                self.after(latency, Plan::Tell { relay, process, input });
            }
            Action::Send(id) => self.send(relay, id),
            other => {
                if other == Action::Open {
                    session = self.number();
                    if let Some(running) = self.process(relay) {
                        running.session = session;
                    }
                }
                self.after(latency, Plan::Execute { relay, process, session, action: other });
            }
        }
    }

    fn send(&mut self, relay: usize, id: Uuid) {
        let row = self.database.rows.get(index_of(id));
        let is_poison = row.is_some_and(|row| row.poison);
        let (latency, instant) = (self.latency(), self.instant());
        self.tell(|| format!("relay {relay} sends event {}", id.as_u128()));
        let Some(running) = self.process(relay) else { return };
        if is_poison {
            running.engine.impossible(id, "poison".to_owned());
            return;
        }
        let process = running.id;
        let Some(connection) = running.connection else {
            running.engine.refused(id, Refusal::Disconnected, instant);
            return;
        };
        running.unconfirmed.push(id);
        if self.flaw == Some(Flaw::MarksUnconfirmed) {
            self.witness.marked(&[id]);
        }
        // In the order in which they were sent, whatever becomes of the process.
        let now = self.now;
        let Some((_, last)) = self.connections.iter_mut().find(|(number, _)| *number == connection) else {
            self.after(MS, Plan::Tell { relay, process, input: Input::Refused(id, Refusal::Disconnected) });
            return;
        };
        *last = (*last).max(now + latency);
        let at = *last;
        self.agenda.plan(at, Plan::Arrive { connection, id, relay, process });
    }

    /// A message reaches the broker, which takes it, refuses it, or stays silent about it.
    fn arrive(&mut self, connection: u64, id: Uuid, relay: usize, process: u64) {
        let stands = self.connections.iter().any(|(number, _)| *number == connection);
        if !stands || !self.broker_is_up {
            return;
        }
        if self.broker_blocks {
            // It reads on when it has memory again.
            let at = self.now + 50 * MS;
            self.agenda.plan(at, Plan::Arrive { connection, id, relay, process });
            return;
        }
        let refuses = self.to_break > 0 && self.chance(60);
        let mut input = Input::Refused(id, Refusal::Refused);
        if !refuses {
            if self.flaw == Some(Flaw::ConfirmsAndLoses) && self.chance(20) {
                self.tell(|| format!("event {} is confirmed and lost", id.as_u128()));
            } else {
                self.witness.accepted(id, &self.database);
            }
            input = Input::Confirmed(id);
        }
        let silent = self.to_break > 0 && self.chance(150);
        self.tell(|| format!("event {} arrives: refused {refuses}, silent {silent}", id.as_u128()));
        if silent {
            let at = self.now + SILENCE;
            self.agenda
                .plan(at, Plan::Tell { relay, process, input: Input::Refused(id, Refusal::Disconnected) });
        } else {
            let latency = self.latency();
            self.after(latency, Plan::Tell { relay, process, input });
        }
    }

    /// A statement is carried out, and the answer sent back.
    fn execute(&mut self, relay: usize, process: u64, session: u64, action: Action) {
        let now = self.now;
        if !self.database_is_up || (action != Action::Open && !self.database.has_session(session)) {
            self.after(MS, Plan::Tell { relay, process, input: Input::DatabaseLost });
            return;
        }
        let input = match action {
            Action::Open => {
                // Whoever was killed meanwhile leaves no session behind.
                if self.process(relay).is_some_and(|running| running.id == process) {
                    self.database.open_session(session);
                }
                Input::Opened
            }
            Action::Agree => Input::Agreed(self.database.agree(process, session, now)),
            Action::Renew => Input::Renewed(self.database.renew(process, now)),
            Action::Read(look) => Input::Found(self.database.read(look)),
            Action::Mark(ids) => {
                self.tell(|| {
                    format!("relay {relay} marks {:?}", ids.iter().map(Uuid::as_u128).collect::<Vec<_>>())
                });
                self.witness.marked(&ids);
                Input::Marked(self.database.mark(&ids))
            }
            Action::Park(id, _, lease) => {
                let done = self.database.park(id, process, lease, now);
                if done {
                    self.witness.parked(id, &self.database);
                }
                Input::Parked(done)
            }
            Action::Resign => {
                self.database.resign(process);
                Input::Resigned
            }
            Action::Connect | Action::Send(_) => return,
        };
        // The answer to a statement that was carried out may be lost.
        if self.to_break > 0 && self.chance(200) {
            self.session_ends(session);
            return;
        }
        let latency = self.latency();
        self.after(latency, Plan::Tell { relay, process, input });
    }

    fn fault(&mut self) {
        if self.to_break == 0 {
            return;
        }
        self.to_break -= 1;
        let relay = self.rng.usize(0..self.relays.len());
        match self.rng.u8(0..8) {
            0 => self.kill(relay),
            1 => self.freeze(relay, None),
            2 => self.cut_connection(relay),
            3 => {
                self.tell(|| "the broker goes down".to_owned());
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
                self.tell(|| "the database goes down".to_owned());
                self.database_is_up = false;
                let sessions: Vec<u64> =
                    self.relays.iter().flatten().map(|running| running.session).collect();
                for session in sessions {
                    self.session_ends(session);
                }
                self.database.end_all_sessions();
                self.after(2 * SECOND, Plan::DatabaseReturns);
            }
            _ => {
                self.tell(|| format!("relay {relay} is asked to stop"));
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

    fn broken(&mut self) {
        self.faults += 1;
        // The longest that any of them lasts by itself.
        self.last_fault = self.now + 10 * SECOND;
    }

    fn block(&mut self, blocks: bool) {
        self.broker_blocks = blocks;
        for relay in 0..self.relays.len() {
            self.send_input(relay, Input::Tick);
        }
    }

    fn kill(&mut self, relay: usize) {
        self.tell(|| format!("relay {relay} is killed"));
        self.end_process(relay);
        self.broken();
    }

    /// What it sent is still on its way; its session ends when the server notices.
    fn end_process(&mut self, relay: usize) {
        let Some(process) = self.relays.get_mut(relay).and_then(Option::take) else { return };
        self.after(5 * MS, Plan::SessionEnds { session: process.session });
        self.after(2 * SECOND, Plan::Start { relay });
    }

    fn freeze(&mut self, relay: usize, stale: Option<Action>) {
        self.tell(|| format!("relay {relay} freezes before {stale:?}"));
        let Some(running) = self.process(relay).filter(|running| !running.is_frozen) else { return };
        running.is_frozen = true;
        running.stale = stale;
        let process = running.id;
        self.after(8 * SECOND, Plan::Thaw { relay, process });
        self.broken();
    }

    fn thaw(&mut self, relay: usize, process: u64) {
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        running.is_frozen = false;
        let held = std::mem::take(&mut running.held);
        let stale = running.stale.take();
        self.tell(|| format!("relay {relay} thaws"));
        if let Some(action) = stale {
            self.perform(relay, action);
        }
        for input in held {
            self.deliver(relay, process, input);
        }
        self.deliver(relay, process, Input::Tick);
    }

    /// A session is over: its relay hears of it, and the others may.
    fn session_ends(&mut self, session: u64) {
        if !self.database.end_session(session) {
            return;
        }
        for relay in 0..self.relays.len() {
            let Some(running) = self.process(relay) else { continue };
            if running.session == session {
                self.send_input(relay, Input::DatabaseLost);
            } else if !self.chance(4) {
                self.send_input(relay, Input::NeighbourLeft);
            }
        }
    }

    /// The connection is cut: nothing on its way has an answer any more, and it may have arrived.
    fn cut_connection(&mut self, relay: usize) {
        self.tell(|| format!("relay {relay} loses its connection to the broker"));
        let Some(running) = self.process(relay) else { return };
        let (process, connection) = (running.id, running.connection.take());
        let unconfirmed = std::mem::take(&mut running.unconfirmed);
        self.connections.retain(|(number, _)| Some(*number) != connection);
        for id in unconfirmed {
            self.after(MS, Plan::Tell { relay, process, input: Input::Refused(id, Refusal::Disconnected) });
        }
        self.after(MS, Plan::Tell { relay, process, input: Input::BrokerLost });
    }
}
