//! What waits between two threads, with bounds for each client and in all.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that wait for one client, beyond which nothing more is taken for it.
const MOST_OF_ONE: usize = 1024 * 1024;
/// Bytes that wait for all clients together.
const MOST_OF_ALL: usize = 64 * 1024 * 1024;
/// What a packet counts for beside its own bytes.
const PER_PACKET: usize = 64;

/// How many bytes of packets wait, for each client and in all. One thread adds, and another takes away when it has
/// them.
#[derive(Debug)]
pub struct Backlog {
    of_one: Box<[AtomicUsize]>,
    of_all: AtomicUsize,
}

impl Backlog {
    /// A backlog for so many clients, at least one.
    pub fn new(clients: usize) -> Self {
        let of_one = (0..clients.max(1)).map(|_| AtomicUsize::new(0)).collect();
        Self { of_one, of_all: AtomicUsize::new(0) }
    }

    /// How many clients it has a place for.
    pub fn places(&self) -> usize {
        self.of_one.len()
    }

    /// Counts one more packet of the client in this slot, if there is room: 1 MiB waits for one client at most, 64 MiB
    /// for all together, each packet with 64 bytes more than it has.
    #[must_use]
    pub fn add(&self, slot: u32, packet: usize) -> bool {
        let Some(of_one) = self.of_one(slot) else {
            return false;
        };
        let has_room = of_one.load(Ordering::Relaxed) < MOST_OF_ONE
            && self.of_all.load(Ordering::Relaxed) < MOST_OF_ALL;
        if has_room {
            of_one.fetch_add(packet + PER_PACKET, Ordering::Relaxed);
            self.of_all.fetch_add(packet + PER_PACKET, Ordering::Relaxed);
        }
        has_room
    }

    /// A packet that was counted has been taken.
    pub fn remove(&self, slot: u32, packet: usize) {
        if let Some(of_one) = self.of_one(slot) {
            of_one.fetch_sub(packet + PER_PACKET, Ordering::Relaxed);
            self.of_all.fetch_sub(packet + PER_PACKET, Ordering::Relaxed);
        }
    }

    fn of_one(&self, slot: u32) -> Option<&AtomicUsize> {
        self.of_one.get(usize::try_from(slot).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many packets of a size are taken for this client.
    fn taken(backlog: &Backlog, slot: u32, packet: usize) -> usize {
        (0..200_000).take_while(|_| backlog.add(slot, packet)).count()
    }

    #[test]
    fn one_client_has_a_mebibyte_and_all_have_64() {
        let backlog = Backlog::new(100);
        assert_eq!(taken(&backlog, 0, 0), 16_384);
        assert_eq!(taken(&backlog, 0, 0), 0);
        assert_eq!(taken(&backlog, 1, 960), 1024, "another has as many");
        backlog.remove(1, 960);
        assert_eq!(taken(&backlog, 1, 960), 1);
        let clients = (2..100).take_while(|slot| taken(&backlog, *slot, 960) == 1024).count();
        assert_eq!(clients, 62);
        backlog.remove(0, 0);
        assert_eq!(taken(&backlog, 99, 960), 1, "there is room for all of it or none");
        assert_eq!(taken(&backlog, 100, 0), 0, "there is no such client");
    }
}
