//! Many short texts of bytes in one buffer, each with what it belongs to.

/// Byte strings behind each other in one buffer that is used again, each with a tag.
#[derive(Debug)]
pub struct Bundle<T> {
    bytes: Vec<u8>,
    /// The tag of each, and where it ends.
    entries: Vec<(T, usize)>,
}

impl<T> Default for Bundle<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new() }
    }
}

impl<T> Bundle<T> {
    /// Adds one behind the others.
    pub fn push(&mut self, tag: T, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.entries.push((tag, self.bytes.len()));
    }

    /// Moves those of `others` behind these.
    pub fn append(&mut self, others: &mut Self) {
        if self.is_empty() {
            self.clear();
            std::mem::swap(self, others);
            return;
        }
        let start = self.bytes.len();
        self.bytes.append(&mut others.bytes);
        self.entries.extend(others.entries.drain(..).map(|(tag, end)| (tag, start + end)));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Their bytes, all together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// That with this index.
    pub fn get(&self, index: usize) -> Option<(&T, &[u8])> {
        let (tag, end) = self.entries.get(index)?;
        let before = index.checked_sub(1).and_then(|before| self.entries.get(before));
        let start = before.map_or(0, |(_, end)| *end);
        Some((tag, self.bytes.get(start..*end)?))
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&T, &[u8])> {
        let starts = std::iter::once(0).chain(self.entries.iter().map(|(_, end)| *end));
        let slots = self.entries.iter().zip(starts);
        slots.filter_map(|((tag, end), start)| Some((tag, self.bytes.get(start..*end)?)))
    }

    /// Forgets the oldest ones, so many of them.
    pub fn discard(&mut self, count: usize) {
        let count = count.min(self.entries.len());
        let last = count.checked_sub(1).and_then(|last| self.entries.get(last));
        let start = last.map_or(0, |(_, end)| *end);
        self.bytes.drain(..start);
        self.entries.drain(..count);
        self.entries.iter_mut().for_each(|(_, end)| *end -= start);
    }

    /// Forgets all of them and keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(bundle: &Bundle<u8>) -> Vec<(u8, &[u8])> {
        bundle.iter().map(|(tag, bytes)| (*tag, bytes)).collect()
    }

    #[test]
    fn keeps_order_and_tags() {
        let mut bundle = Bundle::default();
        bundle.push(1, b"one");
        bundle.push(2, b"");
        let mut others = Bundle::default();
        others.push(3, b"three");
        bundle.append(&mut others);
        assert!(others.is_empty() && others.bytes() == 0);
        assert_eq!(listed(&bundle), [(1, b"one".as_slice()), (2, b""), (3, b"three")]);
        assert_eq!(bundle.get(2), Some((&3, b"three".as_slice())));
        assert_eq!((bundle.get(3), bundle.len(), bundle.bytes()), (None, 3, 8));
        others.append(&mut bundle);
        assert_eq!(listed(&others), [(1, b"one".as_slice()), (2, b""), (3, b"three")]);
        assert!(bundle.is_empty());
        others.discard(0);
        others.discard(2);
        assert_eq!((listed(&others), others.bytes()), (vec![(3, b"three".as_slice())], 5));
        others.push(5, b"five");
        assert_eq!(others.get(1), Some((&5, b"five".as_slice())));
        others.discard(9);
        assert!(others.is_empty() && others.bytes() == 0);
        others.clear();
        others.push(4, b"four");
        assert_eq!(listed(&others), [(4, b"four".as_slice())]);
    }
}
