//! The figures of the last minutes.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::{Answers, Snapshot};
use crate::ops::answers::InboxStatus;

/// How far back the charts go.
pub(super) const KEPT: TimeDelta = TimeDelta::minutes(5);

/// The time over which a rate is measured. A longer time without a sample is a gap in the charts.
const RATE_OVER: TimeDelta = TimeDelta::seconds(5);

/// A figure of each service; `None` where the service did not answer.
pub(super) type Figures = Vec<Option<i64>>;

/// The figures of one moment.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) at: DateTime<Utc>,
    pub(super) committed: Figures,
    pub(super) published: Figures,
    pub(super) received: Figures,
    pub(super) pending: Figures,
    pub(super) queued: Figures,
    pub(super) is_without_relay: bool,
}

/// The samples of the last minutes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

impl Sample {
    fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { at, outboxes, inboxes, .. } = snapshot;
        Self {
            at: *at,
            committed: figures(outboxes, |outbox| Some(outbox.progress.committed)),
            published: figures(outboxes, |outbox| Some(outbox.progress.settled)),
            received: figures(inboxes, |inbox| signed(inbox.received())),
            pending: figures(outboxes, |outbox| Some(outbox.log.pending)),
            queued: figures(inboxes, |inbox| signed(inbox.queued()?)),
            is_without_relay: snapshot.alive() == Some(0),
        }
    }
}

impl InboxStatus {
    /// All deliveries since the service's process started.
    pub(super) fn received(&self) -> u64 {
        let receipts = &self.receipts;
        receipts.first + receipts.redelivered_known + receipts.repeated + receipts.stale + receipts.waiting
    }

    /// The messages that wait for this service or are being handled; `None` where they are unknown.
    pub(super) fn queued(&self) -> Option<u64> {
        Some(self.queues.as_ref()?.ready + self.in_hand)
    }

    /// The keys that wait for an operator.
    pub(super) fn blocked_keys(&self) -> u64 {
        self.waiting.and_then(|waiting| u64::try_from(waiting.blocked_keys).ok()).unwrap_or_default()
    }
}

fn figures<T>(answers: &Answers<T>, figure: impl Fn(&T) -> Option<i64>) -> Figures {
    answers.iter().map(|(_, answer)| answer.as_ref().ok().and_then(&figure)).collect()
}

/// The sum over the services that are known; `None` if no service is.
pub(super) fn sum(figures: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
    figures.into_iter().flatten().reduce(|sum, figure| sum + figure)
}

fn signed(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

impl Samples {
    /// Adds the figures of a snapshot, and drops those that are too old.
    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        self.push(Sample::of(snapshot));
    }

    fn push(&mut self, sample: Sample) {
        let at = sample.at;
        if self.0.back().is_some_and(|last| at - last.at > RATE_OVER) {
            self.0.push_back(Sample { at, ..Sample::default() });
        }
        self.0.push_back(sample);
        self.0.retain(|kept| at - kept.at <= KEPT);
    }

    /// The samples, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// The increase of a figure per second, up to now.
    pub(super) fn rate(&self, figure: fn(&Sample) -> &Figures) -> Option<f64> {
        self.rate_at(self.0.len().checked_sub(1)?, figure)
    }

    /// The increase of a figure per second, up to the sample with this index. A service is left out while its figure
    /// is unknown, or has fallen because its process was restarted.
    pub(super) fn rate_at(&self, index: usize, figure: fn(&Sample) -> &Figures) -> Option<f64> {
        let now = self.0.get(index)?;
        let mut earlier = self.0.range(..index).rev().take_while(|sample| now.at - sample.at <= RATE_OVER);
        let before = earlier.by_ref().last()?;
        let services = figure(now).iter().zip(figure(before));
        let increases =
            services.map(|(now, before)| Some((*now)? - (*before)?).filter(|growth| *growth >= 0));
        let increase = u32::try_from(sum(increases)?).ok()?;
        let seconds = (now.at - before.at).as_seconds_f64();
        (seconds > 0.0).then(|| f64::from(increase) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(figures: &[(i64, Option<i64>)]) -> Samples {
        let mut samples = Samples::default();
        for (second, committed) in figures {
            let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(*second);
            samples.push(Sample { at, committed: vec![*committed], ..Sample::default() });
        }
        samples
    }

    #[test]
    fn a_rate_is_the_increase_over_the_last_seconds() {
        let rate = |figures: &[Option<i64>]| {
            samples(&(0..).zip(figures.iter().copied()).collect::<Vec<_>>()).rate(|sample| &sample.committed)
        };
        assert_eq!(rate(&[Some(0), Some(10), Some(20)]), Some(10.0));
        assert_eq!(rate(&[Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(50)]), Some(10.0));
        assert_eq!(rate(&[Some(5)]), None, "one sample is not enough");
        assert_eq!(rate(&[Some(5), None]), None, "the figure is unknown");
        assert_eq!(rate(&[Some(500), Some(3)]), None, "the process was restarted");
    }

    #[test]
    fn a_service_that_does_not_answer_is_left_out_of_the_rate() {
        let mut samples = Samples::default();
        for (second, committed) in [(0, vec![Some(0), Some(900)]), (1, vec![Some(5), None])] {
            let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
            samples.push(Sample { at, committed, ..Sample::default() });
        }
        assert_eq!(samples.rate(|sample| &sample.committed), Some(5.0));
    }

    #[test]
    fn a_time_without_samples_is_a_gap_and_old_samples_go() {
        let kept = samples(&[(0, Some(1)), (100, Some(2)), (101, Some(3)), (350, Some(4))]);
        let figures: Vec<_> = kept.iter().map(|sample| sum(sample.committed.clone())).collect();
        assert_eq!(figures, [None, Some(2), Some(3), None, Some(4)]);
    }
}
