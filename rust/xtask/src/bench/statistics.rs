//! What becomes of many numbers.

/// The middle one, or the mean of the two in the middle. `None` of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// Numbers that should be the same, one for each round.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) rounds: Vec<f64>,
}

impl Spread {
    /// `None` of no rounds.
    pub(super) fn of(rounds: Vec<f64>) -> Option<Self> {
        let median = median(&rounds)?;
        let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { median, least, most, rounds })
    }

    /// Round by round, how often `below` goes into `above`: what disturbs a whole round disturbs both.
    pub(super) fn ratio(above: &[f64], below: &[f64]) -> Option<Self> {
        Self::of(above.iter().zip(below).map(|(above, below)| above / below).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[4.0]), Some(4.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // Twice as fast in every round, whatever else the machine did.
        let ratio = Spread::ratio(&[10.0, 80.0, 20.0], &[5.0, 40.0, 10.0]).expect("there are some");
        assert_eq!(ratio.rounds, [2.0, 2.0, 2.0]);
        let ratio = Spread::ratio(&[10.0, 80.0, 20.0], &[5.0, 8.0, 20.0]).expect("there are some");
        assert_eq!((ratio.median, ratio.least, ratio.most), (2.0, 1.0, 10.0));
        assert_eq!(Spread::ratio(&[1.0], &[]), None);
    }
}
