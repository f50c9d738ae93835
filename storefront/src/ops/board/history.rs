//! The last minutes, as far as they were watched.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::Snapshot;

/// How far back the charts go.
pub(super) const KEPT: TimeDelta = TimeDelta::minutes(5);

/// The most moments that are kept: more than come in that time.
const MOST: usize = 400;

/// Over how long a rate is measured.
const RATE_OVER: TimeDelta = TimeDelta::seconds(5);

/// The figures of one moment; `None` where nobody knew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) at: DateTime<Utc>,
    pub(super) committed: Option<i64>,
    pub(super) published: Option<i64>,
    pub(super) handled: Option<i64>,
    pub(super) pending: Option<i64>,
    pub(super) queued: Option<i64>,
    pub(super) alive: Option<i64>,
}

/// The last minutes, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History(VecDeque<Sample>);

impl Sample {
    fn of(snapshot: &Snapshot) -> Self {
        let (outbox, inbox) = (snapshot.outbox.as_ref().ok(), snapshot.inbox.as_ref().ok());
        let handled = inbox.map(|inbox| {
            let receipts = &inbox.receipts;
            receipts.first + receipts.redelivered_known + receipts.repeated + receipts.stale
        });
        let queued = inbox.and_then(|inbox| {
            let queues = inbox.queues.as_ref()?;
            Some(
                queues.ready + inbox.in_hand + queues.retries.iter().map(|retry| retry.messages).sum::<u64>(),
            )
        });
        let signed = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        Self {
            at: snapshot.at,
            committed: outbox.map(|outbox| outbox.progress.committed),
            published: outbox.map(|outbox| outbox.progress.settled),
            handled: signed(handled),
            pending: outbox.map(|outbox| outbox.log.pending),
            queued: signed(queued),
            alive: snapshot.alive(),
        }
    }
}

impl History {
    /// Adds a moment, and forgets what is too old.
    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        let sample = Sample::of(snapshot);
        self.0.push_back(sample);
        while self.0.len() > MOST || self.0.front().is_some_and(|oldest| oldest.at < sample.at - KEPT) {
            self.0.pop_front();
        }
    }

    /// The moments, the oldest first.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// How much a figure grew a second, about, up to now.
    pub(super) fn rate(&self, figure: impl Fn(&Sample) -> Option<i64>) -> Option<f64> {
        rate(&self.0, self.0.len().checked_sub(1)?, &figure)
    }

    /// The same, at every moment.
    pub(super) fn rates(&self, figure: impl Fn(&Sample) -> Option<i64>) -> Vec<(DateTime<Utc>, Option<f64>)> {
        self.0.iter().enumerate().map(|(index, sample)| (sample.at, rate(&self.0, index, &figure))).collect()
    }
}

/// A figure that falls began again, in another process: then nobody knows.
fn rate(samples: &VecDeque<Sample>, index: usize, figure: &impl Fn(&Sample) -> Option<i64>) -> Option<f64> {
    let now = samples.get(index)?;
    let mut earlier = samples.range(..index).rev().take_while(|sample| now.at - sample.at <= RATE_OVER);
    let before = earlier.by_ref().last()?;
    let grown = u32::try_from(figure(now)? - figure(before)?).ok()?;
    let seconds = (now.at - before.at).as_seconds_f64();
    (seconds > 0.0).then(|| f64::from(grown) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(figures: &[Option<i64>]) -> History {
        let begin = DateTime::UNIX_EPOCH;
        let sample = |(second, committed): (i64, Option<i64>)| Sample {
            at: begin + TimeDelta::seconds(second),
            committed,
            published: None,
            handled: None,
            pending: None,
            queued: None,
            alive: None,
        };
        History((0..).zip(figures.iter().copied()).map(sample).collect())
    }

    #[test]
    fn a_rate_is_what_was_added_over_the_last_seconds() {
        let rate = |figures: &[Option<i64>]| history(figures).rate(|sample| sample.committed);
        assert_eq!(rate(&[Some(0), Some(10), Some(20)]), Some(10.0));
        assert_eq!(rate(&[Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(50)]), Some(10.0));
        assert_eq!(rate(&[Some(5)]), None, "one moment is not enough");
        assert_eq!(rate(&[Some(5), None]), None, "nobody knows");
        assert_eq!(rate(&[Some(500), Some(3)]), None, "it began again");
    }
}
