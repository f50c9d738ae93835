//! When to try again, and when to poll.

use std::time::{Duration, Instant};

/// The first pause after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause after a failure. It is short, because recovery waits for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after the first empty poll.
const SHORTEST_POLL: Duration = Duration::from_millis(25);

/// The pause after a poll that returned several events. Under load, events that arrive together are then read,
/// sent and marked together, which costs a fraction. A poll that returned one event or none has no such pause.
const COALESCE: Duration = Duration::from_millis(8);

/// The back-off of the relay, for databases and the broker: pauses of 0.1 s, doubling to 1 s, without end.
/// Each pause is up to half longer or shorter at random, so that relays do not come back in step.
pub(crate) struct BackOff {
    pause: Duration,
    random: fastrand::Rng,
}

impl BackOff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { pause: SHORTEST_PAUSE, random: fastrand::Rng::with_seed(seed) }
    }

    /// Makes the next failure start with a short pause.
    pub(crate) fn reset(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// The moment of the next try.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let pause = self.pause.mul_f64(0.5 + self.random.f64());
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        now + pause
    }
}

/// When to poll the log, with and without a notification.
pub(crate) struct PollTimer {
    longest: Duration,
    pause: Duration,
    next: Option<Instant>,
    wanted: bool,
    /// No poll before this moment, even after a notification.
    not_before: Option<Instant>,
}

impl PollTimer {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, pause: SHORTEST_POLL, next: None, wanted: true, not_before: None }
    }

    /// Makes a poll due: there may be new events.
    pub(crate) fn poll_now(&mut self) {
        self.wanted = true;
        self.pause = SHORTEST_POLL;
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let may_poll = self.not_before.is_none_or(|until| until <= now);
        may_poll && (self.wanted || self.next.is_some_and(|next| next <= now))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let coalesced = self.not_before.filter(|_| self.wanted);
        coalesced.into_iter().chain(self.next).min()
    }

    /// A poll starts. A notification that arrives from now on makes another poll due.
    pub(crate) fn poll_started(&mut self) {
        self.wanted = false;
        self.next = None;
        self.not_before = None;
    }

    /// A poll has returned `events`. The next one follows at once if there are `more`, else after a pause that
    /// grows while polls are empty.
    pub(crate) fn polled(&mut self, events: usize, more: bool, now: Instant) {
        self.not_before = (events > 1 && !more).then(|| now + COALESCE);
        self.pause = if events > 0 { SHORTEST_POLL } else { (self.pause * 2).min(self.longest) };
        self.wanted |= more;
        self.next = Some(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timer whose poll has just returned so many events, and the moment of that.
    fn after(events: usize, more: bool) -> (PollTimer, Instant) {
        let (mut timer, now) = (PollTimer::new(Duration::from_secs(1)), Instant::now());
        timer.poll_started();
        timer.polled(events, more, now);
        (timer, now)
    }

    #[test]
    fn after_a_lone_event_a_notification_is_followed_at_once() {
        let (mut timer, now) = after(1, false);
        assert!(!timer.is_due(now));
        timer.poll_now();
        assert!(timer.is_due(now));
    }

    #[test]
    fn after_several_events_a_notification_waits_for_more_events() {
        let (mut timer, now) = after(2, false);
        timer.poll_now();
        assert!(!timer.is_due(now));
        assert_eq!(timer.next(), Some(now + COALESCE));
        assert!(timer.is_due(now + COALESCE));
    }

    #[test]
    fn the_next_poll_follows_at_once_where_more_events_are_known_to_wait() {
        let (timer, now) = after(1_000, true);
        assert!(timer.is_due(now));
    }

    #[test]
    fn the_next_poll_comes_without_a_notification() {
        let (timer, now) = after(2, false);
        assert_eq!(timer.next(), Some(now + SHORTEST_POLL));
        assert!(timer.is_due(now + SHORTEST_POLL));
    }
}
