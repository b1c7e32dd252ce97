//! What scripts call in every frame.

use godot::builtin::{GString, VarDictionary};

use super::DtlsServer;
use crate::engine::statistics;
use crate::gdext_private::methods::methods;

methods! { DtlsServer:
    /// Why the last call of [method setup], [method setup_tls], [method setup_with_options] or
    /// [method set_psk] failed, or the last one of
    /// [method take_connection] was made with something that cannot be a client, in words. Empty when
    /// nothing failed; why a returned peer is of no use is what that peer says.
    GetLastError: "get_last_error" -> GString ["GString", true]
        = GString::new(), |handle| GString::from(&handle.last_error());

    /// What was counted since the first [method setup], by the server itself and by every peer that it
    /// ever took, also those that are gone. The keys are those of
    /// [code]PacketPeerDTLSOpenSSL.get_stats()[/code]. Here [code]handshake_msec[/code] is the sum over
    /// all completed handshakes, and [code]cookies_sent[/code] counts how often a client was asked to
    /// prove its address: much more often than [code]handshakes_started[/code] means that someone
    /// sends from false addresses.
    GetStats: "get_stats" -> VarDictionary ["VarDictionary", true]
        = VarDictionary::new(), |handle| statistics::dictionary(&handle.stats());
}
