//! The charts of the last minutes.

use chrono::{DateTime, Utc};

use super::samples::{Figures, KEPT, Sample, Samples, sum};
use crate::chart::{polylines, round_up, short};

/// The size of a chart in its own units.
const SIZE: (f64, f64) = (600.0, 150.0);

/// Some figures over the last minutes.
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
    /// The value at the upper edge.
    pub(crate) top: String,
    /// The times without a relay, each with its left edge and its width.
    pub(crate) gaps: Vec<(f64, f64)>,
}

/// One figure.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) now: String,
    pub(crate) polylines: Vec<String>,
}

type Points = Vec<(f64, Option<f64>)>;

/// The events that wait, and the events per second.
pub(crate) fn charts(end: DateTime<Utc>, samples: &Samples) -> Vec<Chart> {
    let level = |figure: fn(&Sample) -> &Figures| -> Points {
        let value = |sample| {
            sum(figure(sample).iter().copied()).and_then(|value| i32::try_from(value).ok()).map(f64::from)
        };
        samples.iter().map(|sample| (place(sample.at, end), value(sample))).collect()
    };
    let rates = |figure: fn(&Sample) -> &Figures| -> Points {
        let points = samples.iter().enumerate();
        points.map(|(index, sample)| (place(sample.at, end), samples.rate_at(index, figure))).collect()
    };
    let waiting = [
        ("in outboxes", "one", level(|sample| &sample.pending)),
        ("in queues", "two", level(|sample| &sample.queued)),
    ];
    let rates = [
        ("committed", "one", rates(|sample| &sample.committed)),
        ("published", "two", rates(|sample| &sample.published)),
        ("received", "three", rates(|sample| &sample.received)),
    ];
    vec![
        Chart::new("chart-waiting", "Events that wait", &waiting, gaps(end, samples)),
        Chart::new("chart-rates", "Events per second", &rates, gaps(end, samples)),
    ]
}

impl Chart {
    /// Draws the figures, all with the same upper edge.
    fn new(
        id: &'static str,
        title: &'static str,
        figures: &[(&'static str, &'static str, Points)],
        gaps: Vec<(f64, f64)>,
    ) -> Self {
        let values = figures.iter().flat_map(|(_, _, points)| points).filter_map(|(_, value)| *value);
        let top = round_up(values.fold(0.0, f64::max));
        let lines = figures.iter().map(|(name, class, points)| {
            let newest = points.last().and_then(|(_, value)| *value);
            let now = newest.map_or_else(|| "?".to_owned(), short);
            Line { name, class, now, polylines: polylines(points, top, SIZE) }
        });
        Self { id, title, lines: lines.collect(), top: short(top), gaps }
    }

    /// What the chart shows, for screen readers.
    pub(crate) fn description(&self) -> String {
        let now: Vec<_> = self.lines.iter().map(|line| format!("{} {}", line.name, line.now)).collect();
        format!("{} in the last five minutes. Now: {}.", self.title, now.join(", "))
    }
}

/// The place of a moment between the left edge (0) and the right edge (1).
fn place(at: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    1.0 - (end - at).as_seconds_f64() / KEPT.as_seconds_f64()
}

fn gaps(end: DateTime<Utc>, samples: &Samples) -> Vec<(f64, f64)> {
    let samples: Vec<&Sample> = samples.iter().collect();
    let runs = samples.chunk_by(|one, next| one.is_without_relay == next.is_without_relay);
    let gap = |run: &[&Sample]| {
        let (first, last) = (run.first().filter(|sample| sample.is_without_relay)?, run.last()?);
        let [left, right] = [first, last].map(|sample| place(sample.at, end).clamp(0.0, 1.0) * SIZE.0);
        Some((left, (right - left).max(2.0)))
    };
    runs.filter_map(gap).collect()
}
