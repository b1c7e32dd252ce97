//! By how much the retransmissions of a handshake are sooner than they have to be.
//!
//! A thousand clients whose server starts again begin in the same moment. Without this they would all
//! repeat themselves in the same moments, too.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets the retransmission times of the sessions that this thread begins from now on follow from `seed`,
/// so that a simulation can be repeated. Without it they are random.
pub fn seed_retransmissions(seed: u64) {
    SEED.set(Some(seed));
}

/// A row of random numbers (SplitMix64), one for each SSL object. Nothing secret hangs on them.
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new() -> Self {
        let Some(seed) = SEED.get() else {
            return Self(RandomState::new().hash_one(0));
        };
        let mut seeds = Self(seed);
        let own = seeds.draw();
        SEED.set(Some(seeds.0));
        Self(own)
    }

    /// A wait of at most `longest`, shorter by up to a quarter.
    pub(crate) fn shorten(&mut self, longest: Duration) -> Duration {
        let [high, low, ..] = self.draw().to_be_bytes();
        longest - longest / 4 * u32::from(u16::from_be_bytes([high, low])) / u32::from(u16::MAX)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
