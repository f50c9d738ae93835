//! When to try again, and when to look again.

use std::time::{Duration, Instant};

/// The first pause after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest: recovery waits for it, so it is short.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after the first look that found nothing.
const SHORTEST_POLL: Duration = Duration::from_millis(25);

/// How long the log is left alone after a look that found several events: under load, events that come
/// together are read, sent and marked together, at a fraction of the cost. After a look that found one, or none,
/// there is no rest.
const REST: Duration = Duration::from_millis(8);

/// The one back-off of the relay, for databases and the broker alike: pauses of 0.1 s, doubling to 1 s,
/// for ever, each made up to half longer or shorter by chance so that relays do not come back in step.
pub(crate) struct BackOff {
    pause: Duration,
    chance: fastrand::Rng,
}

impl BackOff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { pause: SHORTEST_PAUSE, chance: fastrand::Rng::with_seed(seed) }
    }

    /// It worked: the next failure begins with a short pause.
    pub(crate) fn reset(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// The moment to try again at.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let pause = self.pause.mul_f64(0.5 + self.chance.f64());
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        now + pause
    }
}

/// When to look into the log, other than at a notification.
pub(crate) struct Polling {
    longest: Duration,
    pause: Duration,
    next: Option<Instant>,
    wanted: bool,
    /// Before this nothing is looked at, whoever rings.
    rest_until: Option<Instant>,
}

impl Polling {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, pause: SHORTEST_POLL, next: None, wanted: true, rest_until: None }
    }

    /// There may be something.
    pub(crate) fn look_at_once(&mut self) {
        self.wanted = true;
        self.pause = SHORTEST_POLL;
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_rested = self.rest_until.is_none_or(|until| until <= now);
        is_rested && (self.wanted || self.next.is_some_and(|next| next <= now))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let rested = self.rest_until.filter(|_| self.wanted);
        rested.into_iter().chain(self.next).min()
    }

    /// A look begins; what is rung from here on is for the next one.
    pub(crate) fn looks(&mut self) {
        self.wanted = false;
        self.next = None;
        self.rest_until = None;
    }

    /// A look ended and found so many: the next follows at once, soon, or after a pause that grows while
    /// nothing happens.
    pub(crate) fn looked(&mut self, found: usize, more: bool, now: Instant) {
        self.rest_until = (found > 1 && !more).then(|| now + REST);
        self.pause = if found > 0 { SHORTEST_POLL } else { (self.pause * 2).min(self.longest) };
        self.wanted |= more;
        self.next = Some(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A polling that has just looked and found so many, and the moment it did.
    fn after(found: usize, more: bool) -> (Polling, Instant) {
        let (mut polling, now) = (Polling::new(Duration::from_secs(1)), Instant::now());
        polling.looks();
        polling.looked(found, more, now);
        (polling, now)
    }

    #[test]
    fn after_a_lone_event_a_ring_is_followed_at_once() {
        let (mut polling, now) = after(1, false);
        assert!(!polling.is_due(now));
        polling.look_at_once();
        assert!(polling.is_due(now));
    }

    #[test]
    fn after_several_events_a_ring_is_followed_once_more_may_have_come() {
        let (mut polling, now) = after(2, false);
        polling.look_at_once();
        assert!(!polling.is_due(now));
        assert_eq!(polling.next(), Some(now + REST));
        assert!(polling.is_due(now + REST));
    }

    #[test]
    fn where_more_is_known_to_wait_there_is_no_rest() {
        let (polling, now) = after(1_000, true);
        assert!(polling.is_due(now));
    }

    #[test]
    fn without_a_ring_the_next_look_comes_by_itself() {
        let (polling, now) = after(2, false);
        assert_eq!(polling.next(), Some(now + SHORTEST_POLL));
        assert!(polling.is_due(now + SHORTEST_POLL));
    }
}
