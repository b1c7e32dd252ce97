//! Datagrams of the engine's PacketPeerUDP.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use godot::builtin::PackedByteArray;
use godot::classes::PacketPeerUdp;
use godot::global::Error;
use godot::obj::{Gd, InstanceId};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

/// Most datagrams that one call takes from a socket, so that a flood cannot hold a frame up.
pub(crate) const DATAGRAMS_PER_CALL: usize = 1024;
/// Most errors of the socket that one call steps over. Each is an ICMP message about a datagram sent
/// earlier, and says nothing about the ones that wait behind it.
const ERRORS_PER_CALL: usize = 16;

/// The right of one peer to a socket. Two peers that shared it would take each other's datagrams.
pub(crate) struct Claim(InstanceId);

static CLAIMS: LazyLock<Mutex<FxHashSet<InstanceId>>> = LazyLock::new(Mutex::default);

impl Claim {
    /// The right to `udp`, unless another peer has it.
    pub(crate) fn of(udp: &Gd<PacketPeerUdp>) -> Option<Self> {
        let id = udp.instance_id();
        CLAIMS.lock().insert(id).then(|| Self(id))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMS.lock().remove(&self.0);
    }
}

/// Gives the waiting datagrams to `handle`, oldest first, until it has enough.
///
/// Each call of a method of the socket asks the system for more datagrams, so their number is asked for once
/// for all that wait. Returns whether the socket gave a number in the end; a closed one gives none.
pub(crate) fn receive(udp: &mut Gd<PacketPeerUdp>, mut handle: impl FnMut(&[u8]) -> Flow) -> bool {
    let mut left = DATAGRAMS_PER_CALL;
    let mut errors = 0;
    while left > 0 {
        let Ok(waiting) = usize::try_from(udp.get_available_packet_count()) else {
            if errors == ERRORS_PER_CALL {
                return false;
            }
            errors += 1;
            continue;
        };
        if waiting == 0 {
            return true;
        }
        for _ in 0..waiting.min(left) {
            left -= 1;
            let datagram = udp.get_packet();
            // Also empty if an error came first; the datagram still waits then.
            if !datagram.is_empty()
                && let Flow::Enough = handle(datagram.as_slice())
            {
                return true;
            }
        }
    }
    true
}

/// Whether to go on receiving.
pub(crate) enum Flow {
    More,
    Enough,
}

/// Sends one datagram.
///
/// A connected socket reports the ICMP error of an earlier datagram in place of sending this one, so
/// it is given a second chance.
pub(crate) fn send(udp: &mut Gd<PacketPeerUdp>, datagram: &[u8]) -> Error {
    let datagram = PackedByteArray::from(datagram);
    match udp.put_packet(&datagram) {
        Error::FAILED => udp.put_packet(&datagram),
        result => result,
    }
}

/// Where the last datagram came from.
pub(crate) fn address(udp: &Gd<PacketPeerUdp>) -> Option<SocketAddr> {
    let ip: IpAddr = udp.get_packet_ip().to_string().parse().ok()?;
    let port = u16::try_from(udp.get_packet_port()).ok()?;
    Some(SocketAddr::new(ip, port))
}
