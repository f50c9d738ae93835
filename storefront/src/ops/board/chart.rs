//! Lines over the last minutes, as SVG.

use chrono::{DateTime, Utc};

use super::history::KEPT;

/// The size of a chart, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;

/// Figures over the last minutes.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
    /// The figure at the upper edge.
    pub(super) top: String,
    /// The times in which no relay was alive.
    pub(super) gaps: Vec<Gap>,
}

/// One figure.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    /// The newest value.
    pub(super) now: String,
    /// Points of a polyline, one for each stretch without a hole.
    pub(super) stretches: Vec<String>,
}

/// A time, from its left to its width.
pub(super) struct Gap {
    pub(super) x: f64,
    pub(super) width: f64,
}

/// A figure at each moment; `None` where nobody knew.
pub(super) type Points = Vec<(DateTime<Utc>, Option<f64>)>;

impl Chart {
    /// Draws these figures; all against the largest of them.
    pub(super) fn draw(
        id: &'static str,
        title: &'static str,
        end: DateTime<Utc>,
        figures: &[(&'static str, &'static str, Points)],
        gaps: Vec<Gap>,
    ) -> Self {
        let all = figures.iter().flat_map(|(_, _, points)| points).filter_map(|(_, value)| *value);
        let top = round_up(all.fold(0.0, f64::max));
        let lines = figures.iter().map(|(name, class, points)| {
            let newest = points.last().and_then(|(_, value)| *value);
            Line {
                name,
                class,
                now: newest.map_or_else(|| "?".to_owned(), short),
                stretches: stretches(points, end, top),
            }
        });
        Self { id, title, lines: lines.collect(), top: short(top), gaps }
    }

    /// What it shows, for those who do not see it.
    pub(super) fn summary(&self) -> String {
        let now = self.lines.iter().map(|line| format!("{} {}", line.name, line.now)).collect::<Vec<_>>();
        format!("{}, over the last five minutes. Now: {}.", self.title, now.join(", "))
    }
}

impl Gap {
    /// From one moment to another.
    pub(super) fn new(from: DateTime<Utc>, to: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        let (left, right) = (x(from, end), x(to, end));
        Self { x: left, width: (right - left).max(2.0) }
    }
}

fn stretches(points: &Points, end: DateTime<Utc>, top: f64) -> Vec<String> {
    let runs = points.chunk_by(|one, next| one.1.is_some() == next.1.is_some());
    let known = runs.filter(|run| run.first().is_some_and(|(_, value)| value.is_some()));
    let point = |(at, value): &(DateTime<Utc>, Option<f64>)| {
        let y = HEIGHT - value.unwrap_or_default() / top * (HEIGHT - 8.0) - 2.0;
        format!("{:.1},{y:.1}", x(*at, end))
    };
    known.map(|run| run.iter().map(point).collect::<Vec<_>>().join(" ")).collect()
}

fn x(at: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    let age = (end - at).as_seconds_f64() / KEPT.as_seconds_f64();
    (WIDTH * (1.0 - age)).clamp(0.0, WIDTH)
}

/// The next of 1, 2, 5, 10, 20, 50, …: an edge that does not move with every value.
fn round_up(value: f64) -> f64 {
    let mut edge = 1.0;
    while edge < value {
        for step in [1.0, 2.0, 5.0] {
            if edge * step >= value {
                return edge * step;
            }
        }
        edge *= 10.0;
    }
    edge
}

/// A figure in a few characters.
pub(super) fn short(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0}k", value / 1_000.0)
    } else if value >= 10.0 || value.fract() < 0.05 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_a_round_number_above_the_value() {
        let edges = [0.0, 1.0, 1.5, 3.0, 7.0, 10.0, 11.0, 400.0].map(round_up);
        assert_eq!(edges.map(short), ["1", "1", "2", "5", "10", "10", "20", "500"]);
    }

    #[test]
    fn a_line_has_a_hole_where_nobody_knew() {
        let end = DateTime::UNIX_EPOCH + KEPT;
        let at = |seconds: i64| end - chrono::TimeDelta::seconds(seconds);
        let points = vec![(at(300), Some(0.0)), (at(200), None), (at(150), Some(1.0)), (at(0), Some(1.0))];
        assert_eq!(stretches(&points, end, 1.0), ["0.0,148.0", "300.0,6.0 600.0,6.0"]);
    }
}
