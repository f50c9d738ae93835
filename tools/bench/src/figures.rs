//! Numbers, and what they are measured against.

use serde::Serialize;

/// A figure that was measured several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Figure {
    /// The figure of these measurements; zero without any.
    pub(crate) fn of(measured: &[f64]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        Self { median: at(sorted.len() / 2), low: at(0), high: at(sorted.len().saturating_sub(1)) }
    }
}

/// The straight line through values that were taken at equal distances: where it begins, and where it ends.
pub(crate) fn trend(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut along, mut spread) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let from_middle = place as f64 - middle;
        along += from_middle * (value - mean);
        spread += from_middle * from_middle;
    }
    let slope = if spread > 0.0 { along / spread } else { 0.0 };
    (mean - slope * middle, mean + slope * middle)
}

/// What a ratio, or a figure without a ceiling, is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// At most so many times the ceiling, where less than the second counts as that much, in the figure's unit:
    /// growth from almost nothing to a handful is none, whatever share it is.
    Steady(f64, f64),
}

impl Target {
    fn is_met_by(self, ours: f64, ceiling: Option<f64>) -> bool {
        let value = ceiling.map_or(ours, |ceiling| ours / ceiling);
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Steady(most, least) => ours.max(least) / ceiling.unwrap_or_default().max(least) <= most,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::Steady(most, least) => write!(f, "≤ {most}, from {least} on"),
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Figure,
    /// What it is measured against, and what that is called.
    pub(crate) ceiling: Option<(Figure, &'static str)>,
    pub(crate) target: Target,
    /// The share of the machine that other processes took meanwhile, 0 to 1.
    pub(crate) foreign_cpu: f64,
    /// How the figure grows with something: what of it, and the figure.
    pub(crate) growth: Vec<(String, f64)>,
}

impl Row {
    /// A row with a ceiling: its target is about the ratio.
    pub(crate) fn against(
        name: impl Into<String>,
        unit: &'static str,
        (ours, ceiling): (&[f64], &[f64]),
        what: &'static str,
        target: Target,
        foreign_cpu: f64,
    ) -> Self {
        let ceiling = Some((Figure::of(ceiling), what));
        Self { ceiling, ..Self::alone(name, unit, ours, target, foreign_cpu) }
    }

    /// A row without a ceiling: its target is about the figure itself.
    pub(crate) fn alone(
        name: impl Into<String>,
        unit: &'static str,
        ours: &[f64],
        target: Target,
        foreign_cpu: f64,
    ) -> Self {
        let (name, ours) = (name.into(), Figure::of(ours));
        Self { name, unit, ours, ceiling: None, target, foreign_cpu, growth: Vec::new() }
    }

    /// Adds how it grows.
    pub(crate) fn grown(mut self, growth: Vec<(String, f64)>) -> Self {
        self.growth = growth;
        self
    }

    /// Ours by the ceiling's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.ceiling.map(|(ceiling, _)| self.ours.median / ceiling.median)
    }

    pub(crate) fn is_met(&self) -> bool {
        self.target.is_met_by(self.ours.median, self.ceiling.map(|(ceiling, _)| ceiling.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_with_its_spread() {
        let figure = Figure::of(&[3.0, 1.0, 2.0]);
        assert_eq!((figure.low.to_bits(), figure.high.to_bits()), (1.0_f64.to_bits(), 3.0_f64.to_bits()));
        assert_eq!(figure.median.to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn a_trend_sees_growth_through_what_goes_up_and_down() {
        let saw: Vec<f64> = (0..40).map(|n| 100.0 + f64::from(n % 4)).collect();
        let (early, late) = trend(&saw);
        assert!((late / early - 1.0).abs() < 0.01, "{early} {late}");
        let growing: Vec<f64> = saw.iter().enumerate().map(|(n, value)| value + n as f64).collect();
        let (early, late) = trend(&growing);
        assert!((late - early - 39.0).abs() < 1.0, "{early} {late}");
        assert!(trend(&[]).0.abs() < f64::EPSILON);
    }

    #[test]
    fn a_target_is_about_the_ratio_where_there_is_one() {
        let row = Row::against("x", "1/s", (&[80.0], &[100.0]), "pgbench", Target::AtLeast(0.8), 0.0);
        assert!(row.is_met());
        assert!(!Row::alone("x", "s", &[2.0], Target::AtMost(1.0), 0.0).is_met());
    }

    #[test]
    fn a_handful_more_is_no_growth_and_a_large_share_of_much_is() {
        let steady = |late: f64, early: f64| {
            Row::against("x", "rows", (&[late], &[early]), "before", Target::Steady(1.25, 10.0), 0.0).is_met()
        };
        assert!(steady(12.0, 0.0) && steady(120.0, 100.0) && steady(1.0, 100.0));
        assert!(!steady(126.0, 100.0) && !steady(13.0, 0.0) && !steady(19.0, 15.0));
    }
}
