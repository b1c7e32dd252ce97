//! What scripts call for every packet or in every frame.

use godot::builtin::GString;
use godot::global::Error;

use super::PacketPeerDtls;
use super::connection::Peer;
use super::enums::{Reason, Status};
use super::handle::PeerHandle;
use crate::gdext_private::methods::methods;
use crate::gdext_private::packet_peer::{PacketPeerFunctions, count, packet_peer_extension};

packet_peer_extension!(PacketPeerDtls);

impl PacketPeerFunctions for PacketPeerDtls {
    fn available_packet_count(handle: &PeerHandle) -> usize {
        handle.with(0, |peer| peer.received())
    }

    fn max_packet_size(handle: &PeerHandle) -> usize {
        handle.with(0, |peer| peer.max_packet_size())
    }

    fn get_packet(handle: &PeerHandle, hand_out: impl FnOnce(&[u8])) -> Error {
        handle.with(Error::ERR_BUSY, |peer| {
            let Some(packet) = peer.receive() else {
                return Error::ERR_UNAVAILABLE;
            };
            hand_out(packet);
            Error::OK
        })
    }

    fn put_packet(handle: &PeerHandle, payload: &[u8], size: usize) -> Error {
        handle.with(Error::ERR_BUSY, |peer| peer.send(payload, size))
    }
}

methods! { PacketPeerDtls:
    /// The state of the connection: [code]STATUS_DISCONNECTED[/code] (0),
    /// [code]STATUS_HANDSHAKING[/code] (1), [code]STATUS_CONNECTED[/code] (2),
    /// [code]STATUS_ERROR[/code] (3), or [code]STATUS_ERROR_HOSTNAME_MISMATCH[/code] (4) when the
    /// server's certificate is valid but for another name. Changes in [method poll].
    GetStatus: "get_status" -> Status ["Status", true]
        = Status::Error, |handle| handle.status();

    /// Why the connection failed, or could not be begun, in words. Empty when nothing failed.
    GetLastError: "get_last_error" -> GString ["GString", true]
        = GString::new(), |handle| handle.with(GString::new(), |peer| peer.last_error());

    /// Why the connection failed, for a program to act on. What it is exactly
    /// [method get_last_error] says. [constant REASON_NONE] unless the status is an error.
    GetFailureReason: "get_failure_reason" -> Reason ["Reason", true]
        = Reason::None, |handle| handle.with(Reason::None, |peer| peer.failure_reason());

    /// How many bytes a packet may have that is not split on its way: what fits into one datagram of the
    /// MTU, see [member DTLSOptions.mtu]. A larger one is split by the network, and lost when one of its
    /// parts is. 1,163 unless the MTU was changed; while the status is [code]STATUS_CONNECTED[/code] it is
    /// what the cipher suite of this connection leaves, which can be up to 8 bytes more.
    GetMaxUnfragmented: "get_max_unfragmented_packet_size" -> i64 ["int", true]
        = 0, |handle| handle.with(0, |peer| count(peer.max_packet_size()));

    /// Handles every datagram that waits. During the handshake it also sends again what was not
    /// answered; a packet of the game that got lost stays lost, as with UDP. Call it every frame:
    /// nothing happens without it. Afterwards [method PacketPeer.get_available_packet_count] is the
    /// number of all packets that have arrived.
    Poll: "poll" -> () ["void", false]
        = (), |handle| handle.with((), Peer::poll);
}
