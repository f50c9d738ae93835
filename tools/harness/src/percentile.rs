//! Percentiles of what was measured.

/// The value that so many per cent of the values are not above; the largest, where there are few.
pub fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn the_99th_percentile_of_a_hundred_is_the_one_before_the_last() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 99), percentile(&[], 99)), (Some(99.0), None));
    }
}
