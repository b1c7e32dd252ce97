//! The networks that clients come from, and how many of each are connected.
//!
//! Clients are counted by their network, since one host can have as many ports, and as many addresses of
//! its IPv6 prefix, as it likes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::report::failure::Failure;

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

/// How many clients of a server are connected, by network and in all.
#[derive(Default)]
pub(crate) struct ConnectedPeers {
    /// How many there may be in all.
    most: Option<NonZeroUsize>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_prefix: HashMap<Prefix, usize>,
}

/// Why a client may not be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// Its network has as many as one may have.
    OfPrefix(NonZeroUsize),
    /// The server has as many as it may have.
    InAll(NonZeroUsize),
}

impl From<TooMany> for Failure {
    fn from(too_many: TooMany) -> Self {
        match too_many {
            TooMany::OfPrefix(limit) => Self::TooManyPeers { limit: limit.get() },
            TooMany::InAll(limit) => Self::ServerFull { limit: limit.get() },
        }
    }
}

impl ConnectedPeers {
    /// At most `most` of them; any number without.
    pub(crate) fn at_most(most: Option<NonZeroUsize>) -> Self {
        Self { most, ..Self::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more of `prefix`, which may have as many as `limit`.
    pub(crate) fn have_room(
        &self,
        prefix: Prefix,
        limit: Option<NonZeroUsize>,
    ) -> Result<(), TooMany> {
        self.look_for_room(&self.counts(), prefix, limit)
    }

    fn look_for_room(
        &self,
        counts: &Counts,
        prefix: Prefix,
        limit: Option<NonZeroUsize>,
    ) -> Result<(), TooMany> {
        let is_reached = |count: usize, limit: &NonZeroUsize| count >= limit.get();
        if let Some(most) = self.most.filter(|most| is_reached(counts.all, most)) {
            return Err(TooMany::InAll(most));
        }
        let of_prefix = counts.by_prefix.get(&prefix).copied().unwrap_or_default();
        match limit.filter(|limit| is_reached(of_prefix, limit)) {
            Some(limit) => Err(TooMany::OfPrefix(limit)),
            None => Ok(()),
        }
    }

    /// Counts one more of `prefix` until the permit is dropped, if there is room.
    pub(crate) fn permit(
        self: &Arc<Self>,
        prefix: Prefix,
        limit: Option<NonZeroUsize>,
    ) -> Result<PeerPermit, TooMany> {
        let mut counts = self.counts();
        self.look_for_room(&counts, prefix, limit)?;
        counts.all += 1;
        *counts.by_prefix.entry(prefix).or_default() += 1;
        Ok(PeerPermit { peers: Arc::clone(self), prefix })
    }
}

/// The right of one client to be connected.
pub(crate) struct PeerPermit {
    peers: Arc<ConnectedPeers>,
    prefix: Prefix,
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut counts = self.peers.counts();
        counts.all -= 1;
        if let Some(count) = counts.by_prefix.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                counts.by_prefix.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn prefix(address: &str) -> Prefix {
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
    fn a_permit_counts_until_it_is_dropped() {
        let peers = Arc::<ConnectedPeers>::default();
        let (limit, here) = (NonZeroUsize::new(1), prefix("192.0.2.1:1"));
        let permit = peers.permit(here, limit).expect("the first");
        let refused = Err(TooMany::OfPrefix(NonZeroUsize::MIN));
        assert_eq!(peers.have_room(here, limit), refused);
        assert_eq!(peers.permit(here, limit).map(drop), refused);
        assert!(peers.permit(here, None).is_ok());
        assert!(peers.permit(prefix("192.0.2.2:1"), limit).is_ok());
        drop(permit);
        assert_eq!(peers.have_room(here, limit), Ok(()));
        assert!(peers.counts().by_prefix.is_empty() && peers.counts().all == 0);
    }

    #[test]
    fn a_full_server_has_no_room_for_any_network() {
        let most = NonZeroUsize::new(2);
        let peers = Arc::new(ConnectedPeers::at_most(most));
        let [one, other] =
            ["192.0.2.1:1", "192.0.2.2:1"].map(|peer| peers.permit(prefix(peer), most));
        assert!(one.is_ok() && other.is_ok());
        let third = prefix("192.0.2.3:1");
        let full = Err(TooMany::InAll(NonZeroUsize::MIN.saturating_add(1)));
        assert_eq!(peers.have_room(third, None), full);
        assert_eq!(peers.permit(third, most).map(drop), full);
        drop(one);
        assert!(peers.permit(third, most).is_ok());
    }
}
