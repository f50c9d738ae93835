//! The engine: which action comes next.

use std::time::Instant;

use crate::{
    action::{Action, Failed},
    backlog::Backlog,
    bisection::Bisection,
    broker::{Broker, Refusal},
    config::Config,
    held::HeldTypes,
    high_water_mark::{HighWaterMark, Range},
    ownership::{Ownership, Take},
    poll::{Pending, Poll},
    schedule::Schedule,
    timing::{BackOff, PollTimer},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    Closed,
    Opening,
    Open,
    Releasing,
    Over,
}

/// A request about ownership that is under way, and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Rebalance(Instant),
    Renew(Instant),
}

/// A poll that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollStarted {
    pub(crate) range: Range,
    pub(crate) started: Instant,
    pub(crate) resets: u64,
}

/// One relay's work on one database. See the crate's documentation.
pub struct Engine<E> {
    pub(crate) config: Config,
    pub(crate) backlog: Backlog<E>,
    pub(crate) ownership: Ownership,
    pub(crate) broker: Broker,
    pub(crate) held: HeldTypes,
    pub(crate) bisection: Bisection,
    /// Why the channel of the bisection was closed last.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) high_water_mark: HighWaterMark,
    pub(crate) poll_timer: PollTimer,
    pub(crate) schedule: Schedule,
    pub(crate) session: Session,
    pub(crate) session_back_off: BackOff,
    pub(crate) reopen_at: Option<Instant>,
    pub(crate) ownership_request: Option<Request>,
    /// One statement about the log at a time: a poll or a mark.
    pub(crate) log_is_busy: bool,
    /// Whether due events were moved into the log since it was last read.
    pub(crate) has_moved: bool,
    pub(crate) poll: Option<PollStarted>,
    /// How often events were forgotten: a poll that started before the last time counts for nothing.
    pub(crate) resets: u64,
    pub(crate) stopping: bool,
}

impl<E: Pending> Engine<E> {
    /// Creates an engine. `seed` spreads the pauses of several relays.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            backlog: Backlog::default(),
            ownership: Ownership::new(config.renewal, config.trusted),
            broker: Broker::new(config.max_in_flight, seed),
            held: HeldTypes::new(config.max_in_flight, seed.rotate_left(32)),
            bisection: Bisection::default(),
            refusal: None,
            high_water_mark: HighWaterMark::new(config.full_scan_interval, config.first_range),
            poll_timer: PollTimer::new(config.poll_interval),
            schedule: Schedule::default(),
            session: Session::Closed,
            session_back_off: BackOff::new(!seed),
            reopen_at: None,
            ownership_request: None,
            log_is_busy: false,
            has_moved: false,
            poll: None,
            resets: 0,
            stopping: false,
            config,
        }
    }

    /// The next action; `None` when there is none before the next input or [`wake_at`](Self::wake_at).
    pub fn next(&mut self, now: Instant) -> Option<Action> {
        match self.session {
            // Without a database, the next owner sends confirmed and unmarked events again.
            Session::Closed | Session::Opening if self.stopping => {
                if !self.awaits_confirmations() {
                    self.session = Session::Over;
                }
                None
            }
            Session::Closed if self.reopen_at.is_none_or(|at| at <= now) => {
                self.session = Session::Opening;
                Some(Action::Open)
            }
            Session::Open => self
                .own(now)
                .or_else(|| self.publish(now))
                .or_else(|| self.record(now))
                // Very many due events hold up no other: between two moves the log is read.
                .or_else(|| self.has_moved.then(|| self.poll(now)).flatten())
                .or_else(|| self.move_due(now))
                // A new event does not wait for the mark of the last one.
                .or_else(|| self.poll(now))
                .or_else(|| self.mark_if(!self.awaits_confirmations())),
            Session::Closed | Session::Opening | Session::Releasing | Session::Over => None,
        }
    }

    /// A rebalance needs an empty pipeline: another relay may publish a released partition at once. While events
    /// are in flight, leases are only renewed.
    fn own(&mut self, now: Instant) -> Option<Action> {
        if self.ownership_request.is_some() {
            return None;
        }
        let is_settled = self.backlog.is_settled() && !self.log_is_busy;
        if self.stopping && is_settled {
            self.session = Session::Releasing;
            return Some(Action::Release);
        }
        let due = self.ownership.is_renewal_due(now);
        let owns_some = !self.ownership.leases().is_empty();
        let may_own = self.broker.may_own(owns_some, now);
        // Without a broker nothing is awaited: what is in flight is as uncertain as with a frozen relay, and the next
        // owner sends it again.
        let gives_up = owns_some && !may_own;
        let can_share = (is_settled || !may_own) && (due || self.ownership.wants_rebalance());
        if !self.stopping && (gives_up || can_share) {
            self.ownership_request = Some(Request::Rebalance(now));
            self.ownership.rebalance_started();
            return Some(Action::Rebalance(if may_own { Take::Share } else { Take::Nothing }));
        }
        if due && !self.ownership.leases().is_empty() {
            self.ownership_request = Some(Request::Renew(now));
            return Some(Action::Renew);
        }
        None
    }

    /// Whether events may be read and sent now.
    pub(crate) fn may_publish(&self, now: Instant) -> bool {
        !self.stopping
            && !self.ownership.wants_rebalance()
            && !matches!(self.ownership_request, Some(Request::Rebalance(_)))
            && self.ownership.is_valid(now)
    }

    fn record(&mut self, now: Instant) -> Option<Action> {
        if self.log_is_busy {
            return None;
        }
        if self.backlog.has_failed() {
            let (mut failed, mut is_owned) = (Vec::new(), true);
            for (id, reason) in self.backlog.mark_failed(self.config.batch_size).to_vec() {
                let lease = self.backlog.event(id).and_then(|event| self.ownership.lease(event.partition()));
                match lease {
                    Some(lease) => failed.push(Failed { id, reason, lease }),
                    None => is_owned = false,
                }
            }
            if is_owned {
                self.log_is_busy = true;
                return Some(Action::MarkFailed(failed));
            }
            // Another relay owns some of them by now, and finds the same.
            self.backlog.marked_failed();
            self.reset();
            return self.own(now);
        }
        if self.may_publish(now) && self.high_water_mark.wants_mark() {
            return Some(self.mark());
        }
        self.mark_if(self.is_mark_due(now))
    }

    fn is_mark_due(&self, now: Instant) -> bool {
        let has_lingered =
            self.backlog.confirmed_since().is_some_and(|since| since + self.config.linger <= now);
        has_lingered || self.backlog.confirmed_count() > self.config.batch_size / 2 || !self.may_publish(now)
    }

    fn mark_if(&mut self, due: bool) -> Option<Action> {
        if !due || self.log_is_busy || self.backlog.confirmed_count() == 0 {
            return None;
        }
        Some(self.mark())
    }

    fn mark(&mut self) -> Action {
        self.log_is_busy = true;
        self.high_water_mark.mark_started();
        Action::Mark(self.backlog.mark())
    }

    /// Any relay may do it: the database sees to it that each event is moved once.
    fn move_due(&mut self, now: Instant) -> Option<Action> {
        if self.log_is_busy || !self.schedule.is_due(now) || !self.may_publish(now) {
            return None;
        }
        self.log_is_busy = true;
        Some(Action::MoveDue)
    }

    fn poll(&mut self, now: Instant) -> Option<Action> {
        let (aside, aside_bytes) = self.backlog.aside();
        let has_room = self.backlog.unsent() <= self.config.batch_size / 2
            && self.backlog.bytes() <= self.config.max_bytes
            && aside <= self.config.max_aside
            && aside_bytes <= self.config.max_aside_bytes;
        let wanted = self.poll_timer.is_due(now) && has_room;
        if self.log_is_busy || !wanted || !self.may_publish(now) || !self.broker.is_usable(now) {
            return None;
        }
        (self.log_is_busy, self.has_moved) = (true, false);
        self.poll_timer.poll_started();
        let range = self.high_water_mark.start(now);
        self.poll = Some(PollStarted { range, started: now, resets: self.resets });
        Some(Action::Poll(Poll {
            partitions: self.ownership.leases().iter().map(|lease| lease.partition).collect(),
            after: range.after,
            up_to: range.up_to,
            known: self.backlog.known_after(range.after),
            limit: self.config.batch_size,
            max_bytes: self.config.max_bytes,
            resets: self.resets,
        }))
    }

    /// Forgets the unsent events and makes the next poll a full scan.
    pub(crate) fn reset(&mut self) {
        self.poll_again();
        self.high_water_mark.reset();
    }

    /// Forgets the unsent events. The log and the leases are unchanged: the next poll starts before the lowest
    /// of them.
    pub(crate) fn poll_again(&mut self) {
        self.bisection.forget_unsent();
        if let Some(lowest) = self.backlog.forget_unsent() {
            self.high_water_mark.retreat(lowest - 1);
        }
        self.poll_timer.poll_now();
        self.resets += 1;
    }

    /// The next moment at which time alone changes the next action.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let linger_ends = self.backlog.confirmed_since().map(|since| since + self.config.linger);
        let moments = [
            self.reopen_at.filter(|_| self.session == Session::Closed),
            self.ownership.renewal_at(),
            self.broker.pause_until(),
            self.broker.gives_up_at(),
            self.held.next_pause_end(now),
            self.poll_timer.next(),
            self.schedule.due_at(),
            linger_ends,
        ];
        // A moment in the past waits for an input. The fallback wakes an open session at the latest.
        let fallback = (self.session == Session::Open).then(|| now + self.config.renewal);
        moments.into_iter().flatten().filter(|moment| *moment > now).chain(fallback).min()
    }
}
