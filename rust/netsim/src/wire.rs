//! Datagrams on their way.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::{Direction, Fate, Link};

/// A datagram that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Which way it went.
    pub direction: Direction,
    /// How many were sent that way before it.
    pub number: u64,
    /// What it carries.
    pub bytes: Vec<u8>,
}

/// A link and the datagrams that are on it.
#[derive(Debug, Clone)]
pub struct Wire {
    link: Link,
    to_server: u64,
    to_client: u64,
    /// By the time of arrival. Those that arrive at the same time do so in the order in which they
    /// were sent.
    on_the_way: BTreeMap<(Instant, u64), Arrival>,
    order: u64,
}

impl Wire {
    /// An empty wire.
    pub fn new(link: Link) -> Self {
        Self { link, to_server: 0, to_client: 0, on_the_way: BTreeMap::new(), order: 0 }
    }

    /// Replaces the link. What is on its way still arrives as the old one decided, and the numbers go
    /// on.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Puts a datagram on the wire at `now`, and tells its number and what becomes of it.
    pub fn send(&mut self, direction: Direction, datagram: &[u8], now: Instant) -> (u64, Fate) {
        let number = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        let mine = *number;
        *number += 1;
        let fate = self.link.fate(direction, mine, datagram.len());
        let times = match fate {
            Fate::Lost => [None, None],
            Fate::Arrives(after) => [Some(after), None],
            Fate::Twice(first, second) => [Some(first), Some(second)],
        };
        for after in times.into_iter().flatten() {
            let arrival = Arrival { direction, number: mine, bytes: datagram.to_vec() };
            self.on_the_way.insert((now + after, self.order), arrival);
            self.order += 1;
        }
        (mine, fate)
    }

    /// How many datagrams were sent one way, whatever became of them.
    pub fn sent(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }

    /// When the next datagram arrives; `None` when none is on its way.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Arrival> {
        let first = self.on_the_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Conditions;
    use Direction::{ToClient, ToServer};

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn numbers(wire: &mut Wire, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| wire.receive(now)).map(|arrival| arrival.number).collect()
    }

    #[test]
    fn datagrams_arrive_in_order_and_not_before_their_time() {
        let conditions = Conditions { delay: ms(30), ..Conditions::PERFECT };
        let mut wire = Wire::new(Link::new(1, conditions));
        let start = Instant::now();
        assert_eq!(wire.next_arrival(), None);
        for text in [b"a", b"b", b"c"] {
            wire.send(ToServer, text, start);
        }
        assert_eq!(wire.send(ToClient, b"d", start + ms(1)), (0, Fate::Arrives(ms(30))));
        assert_eq!((wire.sent(ToServer), wire.sent(ToClient)), (3, 1));
        assert_eq!(wire.next_arrival(), Some(start + ms(30)));
        assert_eq!(wire.receive(start + ms(29)), None);
        assert_eq!(numbers(&mut wire, start + ms(30)), [0, 1, 2]);
        let last = Arrival { direction: ToClient, number: 0, bytes: b"d".to_vec() };
        assert_eq!(wire.receive(start + ms(31)), Some(last));
        assert_eq!(wire.next_arrival(), None);
    }

    #[test]
    fn what_is_held_back_is_overtaken() {
        let conditions = Conditions { reordering: 0.5, held_back: ms(50), ..Conditions::PERFECT };
        let mut wire = Wire::new(Link::new(1, conditions));
        let start = Instant::now();
        for _ in 0..20 {
            wire.send(ToServer, b"", start);
        }
        let at_once = numbers(&mut wire, start);
        let late = numbers(&mut wire, start + ms(50));
        assert!(at_once.len() > 4 && late.len() > 4, "{at_once:?} {late:?}");
        assert_eq!(at_once.len() + late.len(), 20);
    }

    #[test]
    fn duplicates_arrive_twice_and_what_is_lost_never() {
        let twice = Conditions { duplication: 1.0, ..Conditions::PERFECT };
        let mut wire = Wire::new(Link::new(1, twice));
        let start = Instant::now();
        wire.send(ToServer, b"", start);
        let lossy = Conditions { loss: 1.0, ..Conditions::PERFECT };
        wire.set_link(Link::new(1, lossy));
        assert_eq!(wire.send(ToServer, b"", start), (1, Fate::Lost));
        assert_eq!(numbers(&mut wire, start), [0, 0]);
    }
}
