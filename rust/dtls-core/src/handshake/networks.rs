//! The networks that clients come from, and how many of each are connected.
//!
//! Clients are counted by their network, since one host can have as many ports, and as many addresses of
//! its IPv6 prefix, as it likes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

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

/// How many clients of a server are connected, by network.
#[derive(Default)]
pub(crate) struct ConnectedPeers(Mutex<HashMap<Prefix, usize>>);

impl ConnectedPeers {
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
    peers: Arc<ConnectedPeers>,
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
