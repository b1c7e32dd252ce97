//! Which of a peer's records have been delivered.
//!
//! OpenSSL drops what comes twice by itself (RFC 6347 section 4.1.2.6) and does not say so. This is
//! what tells a replay from a forgery when they are counted; nothing is let in or refused by it.

/// The numbers of the newest records.
#[derive(Debug, Default)]
pub(crate) struct Window {
    newest: u64,
    /// Bit n stands for the record n before the newest.
    seen: u64,
}

impl Window {
    /// Whether the record with this number has been delivered, or is too old to tell.
    pub(crate) fn contains(&self, sequence: u64) -> bool {
        match self.newest.checked_sub(sequence) {
            Some(age @ 0..64) => self.seen & (1 << age) != 0,
            Some(_) => true,
            None => false,
        }
    }

    /// Notes that it has been delivered.
    pub(crate) fn insert(&mut self, sequence: u64) {
        match self.newest.checked_sub(sequence) {
            Some(age @ 0..64) => self.seen |= 1 << age,
            Some(_) => {}
            None => {
                let ahead = u32::try_from(sequence - self.newest).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.newest = sequence;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_is_known_for_as_long_as_openssl_knows_it() {
        let mut window = Window::default();
        assert!(!window.contains(0));
        window.insert(0);
        window.insert(2);
        assert_eq!([0, 1, 2, 3].map(|it| window.contains(it)), [true, false, true, false]);
        window.insert(1);
        assert!(window.contains(1));
        window.insert(66);
        // 2 is the oldest that is too old to tell, 3 has not been seen.
        assert_eq!(
            [2, 3, 65, 66, 67].map(|it| window.contains(it)),
            [true, false, false, true, false]
        );
        window.insert(u64::MAX >> 16);
        assert!(window.contains(66));
        assert!(!window.contains((u64::MAX >> 16) - 1));
    }
}
