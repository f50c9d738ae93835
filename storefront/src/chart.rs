//! Line charts: points as SVG polylines, and numbers short enough for an axis.

/// The distance of the lowest and the highest point from the edges.
const MARGIN: (f64, f64) = (2.0, 6.0);

/// Returns the `points` attribute of a polyline for each run of known values, in a box of this width and height.
///
/// A point is its place between the left edge (0) and the right edge (1), and its value; `None` leaves a gap in
/// the line. The value 0 is at the lower edge, and `top` at the upper edge.
pub(crate) fn polylines(points: &[(f64, Option<f64>)], top: f64, (width, height): (f64, f64)) -> Vec<String> {
    let coordinates = |(place, value): &(f64, Option<f64>)| {
        let share = value.unwrap_or_default() / top;
        let y = height - share * (height - MARGIN.0 - MARGIN.1) - MARGIN.0;
        format!("{:.1},{y:.1}", width * place.clamp(0.0, 1.0))
    };
    let runs = points.chunk_by(|one, next| one.1.is_some() == next.1.is_some());
    let known = runs.filter(|run| run.iter().all(|(_, value)| value.is_some()));
    known.map(|run| run.iter().map(coordinates).collect::<Vec<_>>().join(" ")).collect()
}

/// The next of 1, 2, 5, 10, 20, 50 and so on: an upper edge that does not move with every value.
pub(crate) fn round_up(value: f64) -> f64 {
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

/// A number in a few characters, such as `12k` or `3.5`.
pub(crate) fn short(value: f64) -> String {
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
    fn the_upper_edge_is_a_round_number_above_the_value() {
        let edges = [0.0, 1.0, 1.5, 3.0, 7.0, 10.0, 11.0, 400.0].map(round_up);
        assert_eq!(edges.map(short), ["1", "1", "2", "5", "10", "10", "20", "500"]);
    }

    #[test]
    fn a_line_has_a_gap_where_the_value_is_unknown() {
        let points = [(0.0, Some(0.0)), (0.4, None), (0.5, Some(1.0)), (1.0, Some(1.0))];
        assert_eq!(polylines(&points, 1.0, (600.0, 150.0)), ["0.0,148.0", "300.0,6.0 600.0,6.0"]);
    }
}
