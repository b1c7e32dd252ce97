//! What becomes of a datagram.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dice::{Dice, Question};
use crate::{Burst, Conditions, Direction};

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does not arrive.
    Lost,
    /// It arrives after so long.
    Arrives(Duration),
    /// It arrives twice, each time after so long.
    Twice(Duration, Duration),
}

/// Two directions and their conditions, without any state.
#[derive(Debug, Clone)]
pub struct Link {
    dice: Dice,
    to_server: Conditions,
    to_client: Conditions,
    dropped: BTreeSet<(Direction, u64)>,
}

impl Link {
    /// A link that is the same in both directions.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self::asymmetric(seed, conditions, conditions)
    }

    /// A link whose directions differ.
    pub fn asymmetric(seed: u64, to_server: Conditions, to_client: Conditions) -> Self {
        Self { dice: Dice(seed), to_server, to_client, dropped: BTreeSet::new() }
    }

    /// The same link, which also drops datagram `number` of one direction; the first is 0.
    #[must_use]
    pub fn dropping(mut self, direction: Direction, number: u64) -> Self {
        self.dropped.insert((direction, number));
        self
    }

    /// What becomes of datagram `number` of a direction, `bytes` long; the first is 0.
    pub fn fate(&self, direction: Direction, number: u64, bytes: usize) -> Fate {
        let conditions = match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        };
        let roll = |question| self.dice.roll(direction, number, question);
        let too_large = conditions.largest.is_some_and(|largest| bytes > largest);
        let in_burst = |burst: &Burst| {
            roll(Question::LostInBurst) < burst.loss && self.is_ill(burst, direction, number)
        };
        if too_large
            || self.dropped.contains(&(direction, number))
            || roll(Question::Lost) < conditions.loss
            || conditions.burst.as_ref().is_some_and(in_burst)
        {
            return Fate::Lost;
        }
        let travel = |held_back, jitter| {
            let held = roll(held_back) < conditions.reordering;
            let held = if held { conditions.held_back } else { Duration::ZERO };
            conditions.delay + held + conditions.jitter.mul_f64(roll(jitter))
        };
        let first = travel(Question::HeldBack, Question::Jitter);
        if roll(Question::Duplicated) < conditions.duplication {
            Fate::Twice(first, travel(Question::DuplicateHeldBack, Question::DuplicateJitter))
        } else {
            Fate::Arrives(first)
        }
    }

    /// Whether a datagram meets a burst.
    ///
    /// A chain of states would have to be followed from the first datagram on. This one is drawn anew
    /// now and then, independently of the state before, and holds in between: so it is enough to look
    /// back to the last time that it was drawn.
    fn is_ill(&self, burst: &Burst, direction: Direction, number: u64) -> bool {
        let anew = burst.anew();
        let drawn = |at: &u64| self.dice.roll(direction, *at, Question::BurstDecided) < anew;
        let at = (1..=number).rev().find(drawn).unwrap_or(0);
        self.dice.roll(direction, at, Question::BurstIll) < burst.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    const MANY: u64 = 20_000;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Everything at once.
    fn rough() -> Conditions {
        Conditions {
            loss: 0.1,
            burst: Some(Burst { share: 0.1, length: 4.0, loss: 0.8 }),
            duplication: 0.1,
            reordering: 0.1,
            held_back: ms(70),
            delay: ms(20),
            jitter: ms(10),
            largest: Some(1200),
        }
    }

    fn fates(link: &Link, direction: Direction) -> Vec<Fate> {
        (0..MANY).map(|number| link.fate(direction, number, 100)).collect()
    }

    fn lost(link: &Link, direction: Direction) -> Vec<bool> {
        fates(link, direction).into_iter().map(|fate| fate == Fate::Lost).collect()
    }

    /// The part of `all` that is true.
    fn share(all: &[bool]) -> f64 {
        all.iter().filter(|it| **it).count() as f64 / all.len() as f64
    }

    #[test]
    fn a_seed_always_does_the_same_and_another_does_not() {
        let link = |seed| Link::new(seed, rough());
        assert_eq!(fates(&link(1), ToServer), fates(&link(1), ToServer));
        assert_ne!(fates(&link(1), ToServer), fates(&link(2), ToServer));
        assert_ne!(fates(&link(1), ToServer), fates(&link(1), ToClient));
    }

    #[test]
    fn a_fate_does_not_depend_on_what_was_asked_before() {
        let in_order = fates(&Link::new(3, rough()), ToServer);
        let link = Link::new(3, rough());
        for number in (0..MANY).rev().step_by(7) {
            let index = usize::try_from(number).expect("small");
            assert_eq!(link.fate(ToServer, number, 100), in_order[index], "datagram {number}");
        }
    }

    #[test]
    fn one_condition_does_not_change_what_another_does() {
        let only_loss = Conditions { loss: 0.1, ..Conditions::PERFECT };
        let other = Conditions { duplication: 0.5, jitter: ms(9), ..only_loss };
        let (one, other) = (Link::new(4, only_loss), Link::new(4, other));
        assert_eq!(lost(&one, ToServer), lost(&other, ToServer));
    }

    #[test]
    fn a_perfect_link_delivers_everything_at_once() {
        let link = Link::new(1, Conditions::default());
        let at_once = |fate: &Fate| *fate == Fate::Arrives(Duration::ZERO);
        assert!(fates(&link, ToClient).iter().all(at_once));
    }

    #[test]
    fn as_much_is_lost_as_was_set() {
        for loss in [0.01, 0.1, 0.3, 0.5] {
            let link = Link::new(9, Conditions { loss, ..Conditions::PERFECT });
            for direction in Direction::BOTH {
                let share = share(&lost(&link, direction));
                assert!((share - loss).abs() < 0.015, "{loss}: {share}");
            }
        }
        let deaf = Link::new(9, Conditions { loss: 1.0, ..Conditions::PERFECT });
        assert!(lost(&deaf, ToServer).iter().all(|lost| *lost));
    }

    #[test]
    fn directions_have_their_own_conditions() {
        let bad = Conditions { loss: 0.5, ..Conditions::PERFECT };
        let link = Link::asymmetric(1, bad, Conditions::PERFECT);
        assert!((share(&lost(&link, ToServer)) - 0.5).abs() < 0.015);
        assert!(share(&lost(&link, ToClient)) < f64::EPSILON);
    }

    #[test]
    fn bursts_are_as_frequent_and_as_long_as_was_set() {
        for (share_set, length) in [(0.1, 3.0), (0.2, 5.0), (0.5, 2.0), (0.3, 20.0)] {
            let burst = Some(Burst { share: share_set, length, loss: 1.0 });
            let link = Link::new(2, Conditions { burst, ..Conditions::PERFECT });
            let lost = lost(&link, ToServer);
            let bursts = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            let mean = share(&lost) * MANY as f64 / bursts as f64;
            assert!((share(&lost) - share_set).abs() < 0.05, "{share_set}: {}", share(&lost));
            assert!((mean / length - 1.0).abs() < 0.15, "{length}: {mean}");
        }
    }

    #[test]
    fn not_everything_is_lost_in_a_milder_burst() {
        let burst = Some(Burst { share: 0.5, length: 4.0, loss: 0.5 });
        let link = Link::new(2, Conditions { burst, ..Conditions::PERFECT });
        assert!((share(&lost(&link, ToServer)) - 0.25).abs() < 0.03);
    }

    #[test]
    #[should_panic = "there are no such bursts"]
    fn impossible_bursts_are_refused() {
        let burst = Some(Burst { share: 0.9, length: 2.0, loss: 1.0 });
        let _fates = fates(&Link::new(1, Conditions { burst, ..Conditions::PERFECT }), ToServer);
    }

    #[test]
    fn duplicates_are_as_frequent_as_was_set() {
        let conditions = Conditions { duplication: 0.2, jitter: ms(10), ..Conditions::PERFECT };
        let fates = fates(&Link::new(1, conditions), ToServer);
        let twice: Vec<bool> =
            fates.iter().map(|it| matches!(it, Fate::Twice(a, b) if a != b)).collect();
        assert!((share(&twice) - 0.2).abs() < 0.015);
    }

    #[test]
    fn delay_jitter_and_reordering_are_as_was_set() {
        let conditions = Conditions { loss: 0.0, burst: None, ..rough() };
        let fates = fates(&Link::new(1, conditions), ToServer);
        let times = fates.iter().flat_map(|fate| match *fate {
            Fate::Lost => vec![],
            Fate::Arrives(one) => vec![one],
            Fate::Twice(one, other) => vec![one, other],
        });
        let times: Vec<Duration> = times.collect();
        let held: Vec<bool> = times.iter().map(|it| *it >= ms(90)).collect();
        assert!((share(&held) - 0.1).abs() < 0.015);
        let jitter = |it: &Duration| *it - ms(20) - if *it >= ms(90) { ms(70) } else { ms(0) };
        assert!(times.iter().all(|it| jitter(it) < ms(10)));
        let mean = times.iter().map(jitter).sum::<Duration>().as_secs_f64() / times.len() as f64;
        assert!((mean - 0.005).abs() < 0.0002, "{mean}");
    }

    #[test]
    fn only_what_is_too_large_vanishes() {
        let link = Link::new(1, Conditions { largest: Some(548), ..Conditions::PERFECT });
        assert_eq!(link.fate(ToServer, 0, 548), Fate::Arrives(Duration::ZERO));
        assert_eq!(link.fate(ToServer, 0, 549), Fate::Lost);
    }

    #[test]
    fn exactly_what_was_named_is_dropped() {
        let link = Link::new(1, Conditions::PERFECT).dropping(ToServer, 3).dropping(ToClient, 0);
        let dropped = |direction| {
            let all = lost(&link, direction).into_iter().enumerate();
            all.filter(|it| it.1).map(|it| it.0).collect::<Vec<usize>>()
        };
        assert_eq!(dropped(ToServer), [3]);
        assert_eq!(dropped(ToClient), [0]);
    }
}
