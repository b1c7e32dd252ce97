//! Packets that wait for the application.

use std::collections::VecDeque;

/// What a packet counts for beside its own bytes.
const PER_PACKET: usize = 64;

/// The room that a queue without packets keeps, in bytes. Most games have no larger packets than this.
const KEPT: usize = 4096;

/// Packets in the order in which they came, behind each other in one buffer that is used again.
#[derive(Default)]
pub(super) struct Received {
    bytes: Vec<u8>,
    /// Where the oldest packet begins.
    start: usize,
    lengths: VecDeque<usize>,
}

impl Received {
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        self.lengths.push_back(packet.len());
    }

    /// Gives the oldest packet to `take`.
    pub(super) fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let length = self.lengths.pop_front()?;
        let end = self.start + length;
        let taken = take(self.bytes.get(self.start..end).unwrap_or_default());
        self.start = end;
        // What was taken is in front of what waits, and goes when it is the larger part.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.lengths.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.start = 0;
        }
        Some(taken)
    }

    /// How many packets wait.
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// What they count for, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.start + PER_PACKET * self.lengths.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_packets_apart_and_no_more_room_than_it_needs() {
        let mut received = Received::default();
        assert_eq!(received.pop(<[u8]>::to_vec), None);
        let packet = |number: usize| vec![u8::try_from(number % 251).expect("small"); number % 40];
        let mut taken = 0;
        for number in 0..10_000 {
            received.push(&packet(number));
            // Two come for one that is taken, and then two are taken for one that comes.
            let most = if number < 5000 { number % 2 } else { 2 };
            for _ in 0..most {
                if let Some(oldest) = received.pop(<[u8]>::to_vec) {
                    assert_eq!(oldest, packet(taken));
                    taken += 1;
                }
            }
            let waiting: usize = (taken..=number).map(|number| packet(number).len()).sum();
            assert_eq!(received.len(), number + 1 - taken);
            assert_eq!(received.bytes(), waiting + 64 * received.len());
            assert!(
                received.bytes.len() <= 2 * waiting + 40,
                "{} for {waiting}",
                received.bytes.len()
            );
        }
        assert_eq!((taken, received.len()), (10_000, 0));
        assert!(received.bytes.capacity() <= KEPT);
    }
}
