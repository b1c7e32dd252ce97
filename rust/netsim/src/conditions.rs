//! How bad a link is.

use std::time::Duration;

/// What one direction of a link does to datagrams. Probabilities are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// How probable it is that a datagram is lost outside a burst.
    pub loss: f64,
    /// Times in which more is lost.
    pub burst: Option<Burst>,
    /// How probable it is that a datagram arrives twice. The second one has its own delay.
    pub duplication: f64,
    /// How probable it is that a datagram is held back, so that later ones overtake it.
    pub reordering: f64,
    /// How long it is held back then.
    pub held_back: Duration,
    /// How long every datagram is on its way at least.
    pub delay: Duration,
    /// How much longer it may take: a datagram takes anything up to that, each value as probable as
    /// another. More than the time between two datagrams reorders them.
    pub jitter: Duration,
    /// The largest datagram, in bytes, that gets through. Larger ones vanish, as they do where a
    /// router's "fragmentation needed" is filtered.
    pub largest: Option<usize>,
}

/// Loss in bursts: the link is either well or ill, and stays so for a while (a Gilbert-Elliott model,
/// with a datagram as its step).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// The part of all datagrams that finds the link ill; above 0 and below 1.
    pub share: f64,
    /// How many datagrams in a row find it ill, on average; at least `1 / (1 - share)`.
    pub length: f64,
    /// How probable it is that a datagram is lost then.
    pub loss: f64,
}

impl Conditions {
    /// Everything arrives, at once.
    pub const PERFECT: Self = Self {
        loss: 0.0,
        burst: None,
        duplication: 0.0,
        reordering: 0.0,
        held_back: Duration::ZERO,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        largest: None,
    };
}

impl Default for Conditions {
    fn default() -> Self {
        Self::PERFECT
    }
}

impl Burst {
    /// How probable it is that the link's health is decided anew at a datagram: so that
    /// `anew * (1 - share)`, the probability that a burst ends with it, is `1 / length`.
    pub(crate) fn anew(&self) -> f64 {
        let anew = 1.0 / (self.length * (1.0 - self.share));
        assert!(
            self.share > 0.0 && self.share < 1.0 && anew <= 1.0,
            "there are no such bursts: {self:?}"
        );
        anew
    }
}
