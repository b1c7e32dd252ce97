//! What scripts call for every packet or in every frame.

use godot::builtin::{Array, GString, PackedByteArray, PackedInt32Array, VarDictionary};
use godot::global::Error;

use super::DtlsListener;
use crate::engine::statistics;
use crate::gdext_private::methods::{ErrorCode, methods};
use crate::gdext_private::packet_peer::count;

methods! { DtlsListener:
    /// Whether it listens.
    IsListening: "is_listening" -> bool ["bool", true]
        = false, |handle| handle.is_listening();

    /// The UDP port that it listens on; 0 while it does not.
    GetLocalPort: "get_local_port" -> i64 ["int", true]
        = 0, |handle| i64::from(handle.local_port());

    /// Why the last call of [method listen] or [method set_options] failed, why it does not listen any more, or what is
    /// wrong with how it is used, in words. Empty when nothing is wrong.
    GetLastError: "get_last_error" -> GString ["GString", true]
        = GString::new(), |handle| GString::from(&handle.last_error());

    /// What was counted since [method listen], over all players, also those that are gone. The keys are those of
    /// [code]PacketPeerDTLSOpenSSL.get_stats()[/code], and [code]socket[/code], a [Dictionary] with what was lost
    /// around the socket:
    ///
    /// [code]receive_errors[/code] and [code]send_errors[/code]: datagrams that the system did not receive or send, such
    /// as one to a player whose network is gone. [code]truncated[/code]: datagrams that are larger than any that a
    /// player sends.
    ///
    /// [code]unsent[/code]: datagrams that found the system's send buffer full for too long.
    ///
    /// [code]handshake_queue_full[/code]: datagrams of addresses without a connection that came faster than they could
    /// be looked at.
    ///
    /// [code]send_queue_full[/code]: packets that [method put_packet] refused with [constant ERR_BUSY].
    GetStats: "get_stats" -> VarDictionary ["Dictionary", true]
        = VarDictionary::new(), |handle| {
            let (stats, counters) = handle.stats();
            statistics::of_listener(&stats, &counters)
        };

    /// How many packets [method get_packet] has: those that [method poll] has taken and that were not read.
    GetAvailable: "get_available_packet_count" -> i64 ["int", true]
        = 0, |handle| count(handle.waiting());

    /// Whose packet [method get_packet] gives next; 0 if there is none.
    GetPacketPeer: "get_packet_peer" -> i64 ["int", true]
        = 0, |handle| i64::from(handle.next_client());

    /// The oldest packet, of any player; empty if there is none. Ask [method get_packet_peer] before whose it is.
    GetPacket: "get_packet" -> PackedByteArray ["PackedByteArray", false]
        = PackedByteArray::new(), |handle| handle.receive();

    /// Whose the packets of [method get_packets] are, one number for each.
    GetPacketPeers: "get_packet_peers" -> PackedInt32Array ["PackedInt32Array", true]
        = PackedInt32Array::new(), |handle| PackedInt32Array::from(handle.clients());

    /// All packets at once, oldest first, which takes less time than one after the other. Ask
    /// [method get_packet_peers] before whose they are.
    GetPackets: "get_packets" -> Array<PackedByteArray> ["Array", false]
        = Array::new(), |handle| handle.receive_all().into_iter().collect();

    /// Sends a packet of at most 16,384 bytes to a player. One of up to 1,163 bytes is not split on its way. An empty one
    /// is not sent.
    ///
    /// Returns [constant ERR_DOES_NOT_EXIST] when no player with this number is connected,
    /// [constant ERR_INVALID_PARAMETER] when the packet is too large, [constant ERR_BUSY] when too much waits to be sent
    /// already, [constant ERR_UNCONFIGURED] while it does not listen, and [constant ERR_ALREADY_IN_USE] when players are
    /// taken with [method take_connection].
    PutPacket: "put_packet"(id: i64 ["int"], packet: PackedByteArray ["PackedByteArray"]) -> ErrorCode ["Error", false]
        = ErrorCode(Error::FAILED), |handle| ErrorCode(handle.send([id], packet.as_slice()));

    /// Sends one packet to each of these players, as [method put_packet] does. When it cannot be sent to one of them, the
    /// others get it, and the error of the last one is returned.
    PutPacketTo: "put_packet_to"(ids: PackedInt32Array ["PackedInt32Array"], packet: PackedByteArray ["PackedByteArray"])
        -> ErrorCode ["Error", false]
        = ErrorCode(Error::FAILED), |handle| {
            ErrorCode(handle.send(ids.as_slice().iter().map(|id| i64::from(*id)), packet.as_slice()))
        };

    /// Ends the connection of a player, who is told. What was sent before is still sent. [signal peer_disconnected]
    /// follows.
    DisconnectPeer: "disconnect_peer"(id: i64 ["int"]) -> () ["void", false]
        = (), |handle| handle.disconnect(id);

    /// Whether [method take_connection] has a player.
    IsAvailable: "is_connection_available" -> bool ["bool", false]
        = false, |handle| handle.is_connection_available();
}
