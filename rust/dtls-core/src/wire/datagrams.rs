//! Outgoing datagrams, in one buffer that is used again.

/// A list of datagrams in the order in which they are to be sent.
///
/// Their bytes stand behind each other in one allocation that survives [`Datagrams::clear`], so a
/// connection that sends all the time does not allocate all the time. What is added when it is full is
/// lost, as datagrams are where a network is full.
#[derive(Debug, Default)]
pub struct Datagrams {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    refused: u32,
}

/// Bytes above which a list takes no more.
const MOST: usize = 1024 * 1024;
/// What a datagram counts for beside its own bytes.
const PER_DATAGRAM: usize = 64;

impl Datagrams {
    /// An empty list. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one datagram behind the others, unless the list is full.
    pub fn push(&mut self, datagram: &[u8]) {
        if self.is_full() {
            self.refused = self.refused.saturating_add(1);
        } else {
            self.add(datagram);
        }
    }

    /// Whether the list takes no more: it has 1 MiB, counting 64 bytes for each datagram.
    pub fn is_full(&self) -> bool {
        self.bytes.len() + PER_DATAGRAM * self.ends.len() >= MOST
    }

    /// How many datagrams were not taken since this was asked last.
    pub(crate) fn take_refused(&mut self) -> u32 {
        std::mem::take(&mut self.refused)
    }

    fn add(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push(self.bytes.len());
    }

    /// Adds records to the datagram that was added last. Without one, they are one by themselves.
    pub(crate) fn extend_last(&mut self, records: &[u8]) {
        self.ends.pop();
        self.add(records);
    }

    /// Moves those of `others` behind these.
    pub(crate) fn append(&mut self, others: &mut Self) {
        others.iter().for_each(|datagram| self.push(datagram));
        others.clear();
    }

    /// Adds the datagrams from number `first` on once more.
    pub(crate) fn repeat_from(&mut self, first: usize) {
        let again: Vec<Vec<u8>> = self.iter().skip(first).map(<[u8]>::to_vec).collect();
        again.iter().for_each(|datagram| self.push(datagram));
    }

    /// Forgets all but the first `count` datagrams.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// Bytes of the datagram that was added last; 0 without one.
    pub(crate) fn last_len(&self) -> usize {
        match self.ends.as_slice() {
            [.., start, end] => end - start,
            [end] => *end,
            [] => 0,
        }
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The datagrams, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).filter_map(|(start, end)| self.bytes.get(start..end))
    }

    /// Forgets the datagrams and keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_mebibyte_and_counts_what_is_more() {
        for (size, most) in [(0, 16_384), (1200, 830), (16_384, 64)] {
            let mut datagrams = Datagrams::new();
            (0..most).for_each(|_| datagrams.push(&vec![1; size]));
            assert!(datagrams.is_full(), "{most} of {size} bytes");
            assert_eq!(datagrams.take_refused(), 0);
            datagrams.extend_last(b"more");
            assert_eq!(datagrams.last_len(), size + 4, "what belongs to a datagram is not cut off");
            datagrams.push(b"too much");
            assert_eq!((datagrams.len(), datagrams.take_refused()), (most, 1));
            assert_eq!(datagrams.take_refused(), 0);
            datagrams.clear();
            datagrams.push(b"again");
            assert_eq!(datagrams.len(), 1);
        }
    }

    #[test]
    fn keeps_boundaries_and_order() {
        let mut datagrams = Datagrams::new();
        datagrams.push(b"one");
        datagrams.push(b"");
        datagrams.push(b"three");
        assert_eq!(datagrams.len(), 3);
        let listed: Vec<&[u8]> = datagrams.iter().collect();
        assert_eq!(listed, [b"one".as_slice(), b"", b"three"]);
        assert_eq!(datagrams.last_len(), 5);
        datagrams.extend_last(b"!");
        datagrams.repeat_from(1);
        let listed: Vec<&[u8]> = datagrams.iter().collect();
        assert_eq!(listed, [b"one".as_slice(), b"", b"three!", b"", b"three!"]);
        datagrams.truncate(2);
        let listed: Vec<&[u8]> = datagrams.iter().collect();
        assert_eq!(listed, [b"one".as_slice(), b""]);
        datagrams.push(b"more");
        assert_eq!(datagrams.last_len(), 4);
        datagrams.clear();
        assert_eq!(datagrams.last_len(), 0);
        assert!(datagrams.is_empty());
        assert_eq!(datagrams.iter().count(), 0);
    }
}
