//! A schedule: relays, a database and a broker, writers, an operator, and everything that goes wrong.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use fastrand::Rng;
use relay_engine::{Config, Refusal};

use crate::{
    agenda::Agenda,
    database::Database,
    flaw::Flaw,
    oracle::Oracle,
    outcome::{Counters, Outcome},
    plan::Plan,
    relay::{Input, Process},
};

pub(crate) const MS: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// How long a broker may be silent before a relay gives its connection up.
pub(crate) const SILENCE: u64 = 5 * SECOND;

/// When everything must have been published after the last fault, at the latest.
const PATIENCE: u64 = 60 * SECOND;

/// How writers behave.
pub(crate) struct Habits {
    /// Whether commits are followed by a notification.
    pub(crate) notifies: bool,
    /// One in so many events cannot be sent.
    pub(crate) poison_in: u32,
    /// Whether the broker names the type that a relay may not publish.
    pub(crate) names_types: bool,
    /// How many dead entries a poll can pass in its time.
    pub(crate) scan_limit: Option<usize>,
    /// Whether nothing goes wrong but that the broker does not take one type, for long.
    pub(crate) isolates: bool,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) epoch: Instant,
    pub(crate) now: u64,
    pub(crate) agenda: Agenda<Plan>,
    pub(crate) database: Database,
    pub(crate) oracle: Oracle,
    pub(crate) relays: Vec<Option<Process>>,
    pub(crate) config: Config,
    pub(crate) keys: usize,
    pub(crate) to_write: u32,
    pub(crate) to_break: u32,
    pub(crate) faults: u64,
    pub(crate) last_fault: u64,
    pub(crate) next_number: u64,
    pub(crate) broker_is_up: bool,
    pub(crate) broker_blocks: bool,
    pub(crate) database_is_up: bool,
    /// Statements take seconds until then.
    pub(crate) slow_until: u64,
    pub(crate) habits: Habits,
    /// The connections that stand, and when the last message of each arrives.
    pub(crate) connections: Vec<(u64, u64)>,
    /// The channels that the broker has closed, and why.
    pub(crate) closed_channels: HashMap<u64, Refusal>,
    /// The types that relays may not publish, and until when.
    pub(crate) forbidden: HashMap<&'static str, u64>,
    /// The types with a full queue.
    pub(crate) full: HashSet<&'static str>,
    /// Until when a type is in trouble.
    pub(crate) trouble_until: u64,
    /// When an event of each key was last published or decided about.
    pub(crate) moved_at: Vec<u64>,
    /// Until when each relay cannot reach the broker.
    pub(crate) cut_until: Vec<u64>,
    /// Until when the user of each relay may connect to the broker, and not publish.
    pub(crate) mute_until: Vec<u64>,
    /// The scheduled events that were moved into the log.
    pub(crate) moved: HashSet<u64>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) timeline: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let keys = rng.usize(1..=5);
        let config = Config {
            batch_size: rng.usize(1..=12),
            max_in_flight: rng.usize(1..=8),
            max_bytes: rng.usize(4..=40),
            first_range: rng.i64(1..=20),
            ..Config::default()
        };
        let relays = rng.usize(1..=3);
        let isolates = rng.u8(0..12) == 0;
        let mut world = Self {
            epoch: Instant::now(),
            now: 0,
            agenda: Agenda::new(),
            // One more for scheduled events.
            database: Database::new(keys + 1, flaw),
            oracle: Oracle::default(),
            relays: (0..relays).map(|_| None).collect(),
            config,
            keys,
            to_write: rng.u32(10..=60),
            to_break: if isolates { 0 } else { rng.u32(0..=8) },
            faults: 0,
            last_fault: 0,
            next_number: 1,
            broker_is_up: rng.u8(0..10) > 0,
            broker_blocks: false,
            database_is_up: true,
            slow_until: 0,
            habits: Habits {
                notifies: rng.u8(0..4) > 0,
                poison_in: if rng.u8(0..5) == 0 { 6 } else { 60 },
                names_types: rng.bool(),
                scan_limit: (rng.u8(0..3) == 0).then(|| rng.usize(1..=12)),
                isolates,
            },
            connections: Vec::new(),
            closed_channels: HashMap::new(),
            forbidden: HashMap::new(),
            full: HashSet::new(),
            trouble_until: 0,
            moved_at: vec![0; keys + 1],
            cut_until: vec![0; relays],
            mute_until: vec![0; relays],
            moved: HashSet::new(),
            flaw,
            timeline: None,
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
        world.after(SECOND, Plan::Inspect);
        if isolates {
            world.trouble_type(30 * SECOND);
            world.last_fault = 30 * SECOND;
        }
        world
    }

    /// Keeps a line for each happening.
    pub(crate) fn with_timeline(mut self) -> Self {
        self.timeline = Some(Vec::new());
        self
    }

    /// Runs until everything is published, an invariant is violated, or it takes too long.
    pub(crate) fn run(mut self) -> Outcome {
        while self.oracle.violation.is_none() {
            let Some((at, plan)) = self.agenda.next() else { break };
            self.now = at;
            self.happen(plan);
            if self.to_write == 0 && self.to_break == 0 && self.database.is_drained() {
                break;
            }
            if self.now > self.last_fault + PATIENCE {
                self.oracle.violated("a committed event was never published".to_owned());
            }
        }
        let Oracle { published, repeats, violation, .. } = self.oracle;
        let counters = Counters { published, repeats, faults: self.faults };
        Outcome { counters, violation, timeline: self.timeline.unwrap_or_default() }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.epoch + Duration::from_micros(self.now)
    }

    /// Plans something for a moment within `at_most` from now.
    pub(crate) fn after(&mut self, at_most: u64, plan: Plan) {
        let at = self.now + self.rng.u64(1..=at_most);
        self.agenda.plan(at, plan);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(0..one_in) == 0
    }

    /// Mostly quick, at times slow.
    pub(crate) fn latency(&mut self) -> u64 {
        if self.chance(40) { self.rng.u64(MS..800 * MS) } else { self.rng.u64(50..5 * MS) }
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(timeline) = &mut self.timeline {
            timeline.push(format!("{:>11.6} {}", Duration::from_micros(now).as_secs_f64(), text()));
        }
    }

    fn happen(&mut self, plan: Plan) {
        match plan {
            Plan::Deliver { relay, process, input } => self.deliver(relay, process, input),
            Plan::Answer { relay, process, session, input } => {
                if self.process(relay).is_some_and(|running| running.session == session) {
                    self.deliver(relay, process, input);
                }
            }
            Plan::Execute { relay, process, session, action } => {
                self.execute(relay, process, session, action);
            }
            Plan::Arrive { connection, channel, id, relay, process } => {
                self.arrive(connection, channel, id, relay, process);
            }
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
            // It is still known as forbidden to those who failed events for that.
            Plan::Permit { event_type } => drop(self.forbidden.insert(event_type, self.now)),
            Plan::Drain { event_type } => drop(self.full.remove(event_type)),
            Plan::Inspect => self.inspect(),
        }
    }

    fn start(&mut self, relay: usize) {
        let (id, config) = (self.number(), self.config);
        if let Some(slot @ None) = self.relays.get_mut(relay) {
            *slot = Some(Process::start(id, config, self.now));
            self.note(|| format!("relay {relay} starts as process {id}"));
            self.deliver(relay, id, Input::Tick);
        }
    }

    /// Plans an input for the process that the relay is now.
    pub(crate) fn send_input(&mut self, relay: usize, input: Input) {
        if let Some(process) = self.process(relay).map(|process| process.id) {
            let latency = self.latency();
            self.after(latency, Plan::Deliver { relay, process, input });
        }
    }

    pub(crate) fn process(&mut self, relay: usize) -> Option<&mut Process> {
        self.relays.get_mut(relay)?.as_mut()
    }

    pub(crate) fn deliver(&mut self, relay: usize, process: u64, input: Input) {
        let (instant, blocks) = (self.instant(), self.broker_blocks);
        let Some(running) = self.process(relay).filter(|running| running.id == process) else { return };
        if running.is_frozen {
            running.held.push(input);
            return;
        }
        running.engine.blocked(blocks);
        running.receive(input, instant);
        self.work(relay);
    }

    /// Has a relay do what its engine asks for. It may be killed or frozen between any two actions.
    pub(crate) fn work(&mut self, relay: usize) {
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
            self.agenda.plan(at, Plan::Deliver { relay, process, input: Input::Tick });
        }
    }

    /// What it sent is still on its way; its session ends when the server notices.
    pub(crate) fn end_process(&mut self, relay: usize) {
        let Some(process) = self.relays.get_mut(relay).and_then(Option::take) else { return };
        self.after(5 * MS, Plan::SessionEnds { session: process.session });
        self.after(2 * SECOND, Plan::Start { relay });
    }
}
