//! Random numbers that depend on nothing but what they are for.

use crate::Direction;

/// What a number decides. Each has its own numbers, so that a setting that is changed does not change
/// what is decided about another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    Lost,
    LostInBurst,
    BurstDecided,
    BurstIll,
    Duplicated,
    HeldBack,
    Jitter,
    DuplicateHeldBack,
    DuplicateJitter,
}

/// The random numbers that belong to a seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 up to but not including 1, for one question about one datagram.
    pub(crate) fn roll(self, direction: Direction, number: u64, question: Question) -> f64 {
        let parts = [number, direction as u64, question as u64];
        let bits = parts.into_iter().fold(mix(self.0), |state, part| mix(state ^ part));
        // The 53 bits that a double holds exactly.
        const STEPS: f64 = (1_u64 << 53) as f64;
        (bits >> 11) as f64 / STEPS
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014): adds the golden ratio and mixes.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_as_splitmix64_does() {
        // The first two numbers of the reference implementation with the seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn numbers_are_spread_evenly_whatever_varies() {
        let even = |name: &str, roll: &dyn Fn(u64) -> f64| {
            let mut tenths = [0_u32; 10];
            for varying in 0..20_000 {
                let number = roll(varying);
                assert!((0.0..1.0).contains(&number));
                tenths[(number * 10.0) as usize] += 1;
            }
            // 2,000 each; 200 is nearly five standard deviations.
            assert!(tenths.iter().all(|it| it.abs_diff(2000) < 200), "{name}: {tenths:?}");
        };
        for direction in Direction::BOTH {
            even("number", &|number| Dice(1).roll(direction, number, Question::Lost));
            even("seed", &|seed| Dice(seed).roll(direction, 1, Question::Jitter));
            even("both", &|both| Dice(both).roll(direction, both, Question::HeldBack));
        }
    }

    #[test]
    fn questions_and_directions_do_not_share_their_numbers() {
        use Direction::{ToClient, ToServer};
        let dice = Dice(5);
        let related = |other: &dyn Fn(u64) -> f64| {
            let both = |number: &u64| {
                dice.roll(ToServer, *number, Question::Lost) < 0.5 && other(*number) < 0.5
            };
            (0..20_000).filter(both).count()
        };
        let quarter = 4700..5300;
        assert!(quarter.contains(&related(&|it| dice.roll(ToClient, it, Question::Lost))));
        assert!(quarter.contains(&related(&|it| dice.roll(ToServer, it, Question::Jitter))));
        assert!(quarter.contains(&related(&|it| dice.roll(ToServer, it + 1, Question::Lost))));
        assert!(quarter.contains(&related(&|it| Dice(6).roll(ToServer, it, Question::Lost))));
    }
}
