//! What clients may take up of one server: unfinished handshakes, and connections.
//!
//! Both are counted by the network that a client comes from, since one host can have as many ports, and
//! as many addresses of its IPv6 prefix, as it likes.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::datagrams::Datagrams;
use crate::failure::Reason;
use crate::session::Handshaking;
use crate::stats::Counters;

/// The network that a client counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    /// One address (/32).
    V4([u8; 4]),
    /// What one household gets (/64).
    V6([u8; 8]),
    /// An address behind which there are many clients: each is for itself.
    Exempt(SocketAddr),
}

impl Prefix {
    /// That of `peer`. An IPv4 peer of an IPv6 socket is the IPv4 peer that it is.
    pub(crate) fn of(peer: SocketAddr, exempt: &[IpAddr]) -> Self {
        let address = peer.ip().to_canonical();
        if exempt.contains(&address) {
            return Self::Exempt(peer);
        }
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The unfinished handshakes of a server, the oldest first; also some that have been finished since.
#[derive(Default)]
pub(crate) struct Pending(Mutex<VecDeque<(Prefix, Weak<Place>)>>);

impl Pending {
    /// A place for one more handshake of `prefix`. When there are `limit` of them, it is taken from the
    /// network that has the most: its oldest one is given up.
    pub(crate) fn enter(&self, prefix: Prefix, limit: usize, now: Instant) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|(_, place)| place.strong_count() > 0);
        while places.len() >= limit {
            let Some((_, place)) = remove_for(&mut places, prefix) else {
                break;
            };
            if let Some(place) = place.upgrade() {
                place.take_back();
            }
        }
        let place = Arc::new(Place { since: now, held: Mutex::default() });
        places.push_back((prefix, Arc::downgrade(&place)));
        place
    }
}

/// Removes the oldest entry of the prefix with the most, where `newcomer` counts as one more. Where
/// several have the most, it is the oldest entry of them all.
fn remove_for<T>(places: &mut VecDeque<(Prefix, T)>, newcomer: Prefix) -> Option<(Prefix, T)> {
    let mut counts = HashMap::from([(newcomer, 1_usize)]);
    for (prefix, _) in &*places {
        *counts.entry(*prefix).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let oldest = places.iter().position(|(prefix, _)| counts.get(prefix) == Some(&most))?;
    places.remove(oldest)
}

/// Where an unfinished handshake is kept between two calls of its owner, so that it can be given up
/// without waiting for the owner.
pub(crate) struct Place {
    since: Instant,
    held: Mutex<Held>,
}

#[derive(Default)]
enum Held {
    /// Its owner has taken it out to go on with it.
    #[default]
    Nothing,
    /// The handshake, and where its end is counted.
    Handshake(Box<Handshaking>, Arc<Counters>),
    /// It was given up. What its client is to be told.
    TakenBack(Datagrams),
}

impl Place {
    /// Takes the handshake out to go on with it. If it was given up: what its client is to be told.
    pub(crate) fn take(&self) -> Result<Box<Handshaking>, Datagrams> {
        match mem::take(&mut *self.lock()) {
            Held::Handshake(handshake, _) => Ok(handshake),
            Held::TakenBack(farewell) => Err(farewell),
            Held::Nothing => Err(Datagrams::new()),
        }
    }

    /// Puts it back, unless it has been given up in the meantime.
    pub(crate) fn put(&self, handshake: Box<Handshaking>, counters: Arc<Counters>) {
        let mut held = self.lock();
        *held = match *held {
            Held::TakenBack(_) => give_up(handshake, &counters),
            Held::Nothing | Held::Handshake(..) => Held::Handshake(handshake, counters),
        };
    }

    /// What `look` sees in the handshake, if it is there.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut Handshaking) -> R) -> Option<R> {
        match &mut *self.lock() {
            Held::Handshake(handshake, _) => Some(look(handshake)),
            Held::Nothing | Held::TakenBack(_) => None,
        }
    }

    /// When its owner has something to do: at once, if the handshake was given up.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.look(|handshake| handshake.next_timeout()).unwrap_or(self.since)
    }

    /// Gives the handshake up and frees what it holds.
    fn take_back(&self) {
        let mut held = self.lock();
        *held = match mem::take(&mut *held) {
            Held::Handshake(handshake, counters) => give_up(handshake, &counters),
            // Whoever puts it back will see it.
            Held::Nothing => Held::TakenBack(Datagrams::new()),
            taken_back @ Held::TakenBack(_) => taken_back,
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_up(handshake: Box<Handshaking>, counters: &Counters) -> Held {
    counters.failed(Reason::TooManyPending);
    let mut farewell = Datagrams::new();
    handshake.cancel(&mut farewell);
    Held::TakenBack(farewell)
}

/// How many clients of a server are connected, by network.
#[derive(Default)]
pub(crate) struct Peers(Mutex<HashMap<Prefix, usize>>);

impl Peers {
    /// Whether `prefix` has as many as it may have.
    pub(crate) fn are_too_many(&self, prefix: Prefix, limit: Option<NonZeroUsize>) -> bool {
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.get(&prefix).copied().unwrap_or_default();
        limit.is_some_and(|limit| count >= limit.get())
    }

    /// Counts one more of `prefix` until the permit is dropped, unless it has as many as it may have.
    pub(crate) fn permit(
        self: &Arc<Self>,
        prefix: Prefix,
        limit: Option<NonZeroUsize>,
    ) -> Option<PeerPermit> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.entry(prefix).or_default();
        if limit.is_some_and(|limit| *count >= limit.get()) {
            return None;
        }
        *count += 1;
        Some(PeerPermit { peers: Arc::clone(self), prefix })
    }
}

/// The right of one client to be connected.
pub(crate) struct PeerPermit {
    peers: Arc<Peers>,
    prefix: Prefix,
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> Prefix {
        let exempt = ["198.51.100.7".parse().expect("an address")];
        Prefix::of(address.parse().expect("a literal address"), &exempt)
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_prefix() {
        assert_eq!(prefix("192.0.2.1:1"), prefix("192.0.2.1:2"));
        assert_eq!(prefix("192.0.2.1:1"), prefix("[::ffff:192.0.2.1]:2"));
        assert_ne!(prefix("192.0.2.1:1"), prefix("192.0.2.2:1"));
        assert_eq!(prefix("[2001:db8::1]:1"), prefix("[2001:db8::ffff:0:0:1]:2"));
        assert_ne!(prefix("[2001:db8::1]:1"), prefix("[2001:db8:0:1::1]:1"));
        assert_ne!(prefix("198.51.100.7:1"), prefix("198.51.100.7:2"));
        assert_ne!(prefix("[::ffff:198.51.100.7]:1"), prefix("[::ffff:198.51.100.7]:2"));
    }

    #[test]
    fn the_oldest_of_the_largest_loses() {
        let [a, b, c] = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"].map(prefix);
        let lost = |held: &[Prefix], newcomer| {
            let mut places = held.iter().copied().zip(0..).collect();
            remove_for(&mut places, newcomer).map(|(_, number)| number)
        };
        assert_eq!(lost(&[a, b, b, a, b], c), Some(1));
        assert_eq!(lost(&[a, b, b], b), Some(1));
        assert_eq!(lost(&[a, b], c), Some(0));
        // The newcomer counts.
        assert_eq!(lost(&[a, b, a, b], b), Some(1));
        assert_eq!(lost(&[a], b), Some(0));
        assert_eq!(lost(&[], b), None);
    }

    #[test]
    fn a_permit_counts_until_it_is_dropped() {
        let peers = Arc::<Peers>::default();
        let (limit, here) = (NonZeroUsize::new(1), prefix("192.0.2.1:1"));
        let permit = peers.permit(here, limit).expect("the first");
        assert!(peers.are_too_many(here, limit) && peers.permit(here, limit).is_none());
        assert!(
            peers.permit(here, None).is_some()
                && peers.permit(prefix("192.0.2.2:1"), limit).is_some()
        );
        drop(permit);
        assert!(!peers.are_too_many(here, limit));
        assert!(peers.0.lock().expect("not poisoned").is_empty());
    }
}
