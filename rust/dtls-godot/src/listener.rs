//! `DTLSListener`.
//!
//! The class refers to no method of `methods.rs`, which registers them on it.
#![allow(unreachable_pub)] // The accessors that gdext makes.

mod handle;
pub(crate) mod methods;
mod running;

use dtls_core::ServerConfig;
use godot::builtin::GString;
use godot::global::Error;
use godot::meta::ToGodot;
use godot::obj::Gd;
use godot::register::godot_api;

use self::handle::{ListenerHandle, Signal};
use crate::configuration::error::CredentialError;
use crate::configuration::of_options;
use crate::engine::handles::{self, HasHandle, Registered};
use crate::engine::names::class;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;

pub(crate) use self::handle::stop_all;

class! { listener,

/// A server for many players: one UDP socket, with threads of its own.
///
/// The threads receive, decrypt, encrypt and send, and do the handshakes. The game calls [method poll] once a
/// frame and has everything that arrived since, at a fraction of the time that a [UDPServer] with a
/// [PacketPeerUDP] for each player takes. It needs no node and no port but one, on IPv4 and IPv6 together.
///
/// ```gdscript
/// var listener := DTLSListener.new()
///
/// func _ready() -> void:
/// 	var options := DTLSOptions.new()
/// 	var folder := "res://dtls_certificates"
/// 	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
/// 	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
/// 	options.idle_timeout = 20.0
/// 	listener.peer_connected.connect(func(id: int) -> void: print("player ", id, " is here"))
/// 	listener.peer_disconnected.connect(
/// 		func(id: int, reason: String) -> void: print("player ", id, " has left: ", reason)
/// 	)
/// 	set_process(listener.listen(4242, options) == OK)
///
/// func _process(_delta: float) -> void:
/// 	listener.poll()
/// 	while listener.get_available_packet_count() > 0:
/// 		var id := listener.get_packet_peer()
/// 		var packet := listener.get_packet()
/// 		listener.put_packet(id, packet)
/// ```
///
/// There are two ways to use it. The first call decides which, until [method stop]:
///
/// [b]All players through one object[/b], as above: [method get_packet], [method put_packet] and their like. This
/// is the faster one.
///
/// [b]A [PacketPeer] for each player[/b]: [method take_connection] gives a connected
/// [code]PacketPeerDTLSOpenSSL[/code]. It needs no [code]poll()[/code] of its own; [method poll] of the listener
/// is for all of them.
///
/// ```gdscript
/// var listener := DTLSListener.new()
/// var players: Array[PacketPeerDTLSOpenSSL] = []
///
/// func _process(_delta: float) -> void:
/// 	listener.poll()
/// 	while listener.is_connection_available():
/// 		players.append(listener.take_connection())
/// 	for player: PacketPeerDTLSOpenSSL in players.duplicate():
/// 		while player.get_available_packet_count() > 0:
/// 			player.put_packet(player.get_packet())
/// 		if player.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
/// 			players.erase(player)
/// ```
///
/// Of what one player sends, 1 MiB waits to be read, and 64 MiB of what all of them send; as much waits to be sent.
/// What is more is dropped and counted, see [method get_stats].
pub(crate) struct DtlsListener {
    /// How many threads [method listen] begins: 1 does everything, a second one does the handshakes, a third one
    /// helps with those. 0: none, and [method poll] does all of it; packets then arrive and leave while the game
    /// calls. -1, the default: none on a machine with one core, 2 on one with two or three, and 3 otherwise. The
    /// signals are emitted by [method poll] in any case, on the thread that calls it.
    #[var(usage_flags = [DEFAULT])]
    #[init(val = -1)]
    threads: i64,
    /// Everything that the listener has; `engine/handles.rs` says why.
    handle: Registered<ListenerHandle>,
}}

impl HasHandle for DtlsListener {
    type Handle = ListenerHandle;

    fn registered(&self) -> &Registered<ListenerHandle> {
        &self.handle
    }
}

#[godot_api]
impl DtlsListener {
    /// A player is connected: its certificate was verified if one is demanded, and packets can be sent.
    /// [param id] is a number from 1 up that no other player of this listener has had.
    #[signal]
    fn peer_connected(id: i64);

    /// The connection of a player is over. [param reason] says why, in words. Packets that arrived before can
    /// still be read. Not emitted by [method stop].
    #[signal]
    fn peer_disconnected(id: i64, reason: GString);

    /// Listens on a UDP port, or on a free one with 0, see [method get_local_port]. [param options] are those of
    /// [code]DTLSServerOpenSSL.setup_with_options()[/code]: a key and a certificate, or pre-shared keys.
    /// [param bind_address] is an address of this machine, or [code]*[/code] for all of them; answers leave from the
    /// address that a player asked. [param max_peers] is how many players there can be at a time, from 1 to 65,535;
    /// further ones are refused. A connected player takes 60 to 70 KiB of memory.
    ///
    /// Returns [constant ERR_ALREADY_IN_USE] while it listens already, [constant ERR_INVALID_PARAMETER] when an
    /// argument or an option cannot be used, and [constant ERR_UNAVAILABLE] when another program has the port or
    /// this machine does not have the address. [method get_last_error] says more.
    #[func(gd_self)]
    fn listen(
        this: Gd<Self>,
        port: i64,
        options: Option<Gd<DtlsOptions>>,
        #[opt(default = "*")] bind_address: GString,
        #[opt(default = 4095)] max_peers: i64,
    ) -> Error {
        let threads = this.bind().threads;
        let handle = handles::handle_of(&this);
        let config = if handle.is_listening() {
            Err(CredentialError::AlreadyListening)
        } else {
            of_options::server(options)
        };
        handle.listen(config, port, &bind_address.to_string(), max_peers, threads)
    }

    /// Stops listening and ends all connections; the players are told. Packets that were not read are gone.
    /// Freeing the listener stops it, too.
    #[func(gd_self)]
    fn stop(this: Gd<Self>) {
        handles::handle_of(&this).stop();
    }

    /// Uses [param options] for the players to come, such as a renewed certificate. Connections go on; handshakes
    /// that are not over fail if something else is demanded of players by then.
    ///
    /// Returns [constant ERR_UNCONFIGURED] while it does not listen, and [constant ERR_INVALID_PARAMETER] when an
    /// option cannot be used; everything then stays as it was.
    #[func(gd_self)]
    fn set_options(this: Gd<Self>, options: Option<Gd<DtlsOptions>>) -> Error {
        let handle = handles::handle_of(&this);
        let config = if handle.is_listening() {
            of_options::server(options)
        } else {
            Err(CredentialError::NotListening)
        };
        handle.set_config(config)
    }

    /// Takes what has arrived since the last call, and emits the signals. Call it once a frame: nothing else here
    /// changes what the game sees.
    #[func(gd_self)]
    fn poll(this: Gd<Self>) {
        let handle = handles::handle_of(&this);
        let mut object = this.clone();
        handle.poll(|signal| match signal {
            Signal::Connected(id) => {
                object.emit_signal("peer_connected", &[i64::from(id).to_variant()]);
            }
            Signal::Disconnected(id, reason) => {
                let reason = GString::from(&reason);
                let arguments = [i64::from(id).to_variant(), reason.to_variant()];
                object.emit_signal("peer_disconnected", &arguments);
            }
        });
    }

    /// A player that is connected and was not taken before; one without a connection, in
    /// [code]STATUS_ERROR[/code], if there is none. Freeing the peer ends the connection.
    #[func(gd_self)]
    fn take_connection(this: Gd<Self>) -> Gd<PacketPeerDtls> {
        handles::handle_of(&this).take_connection()
    }

    /// A connected player, to look at its certificate or its statistics; null if there is none with
    /// this number, or if players are taken with [method take_connection]. It has no packets: those come through
    /// [method get_packet].
    #[func(gd_self)]
    fn get_peer(this: Gd<Self>, id: i64) -> Option<Gd<PacketPeerDtls>> {
        handles::handle_of(&this).peer(id)
    }
}

impl Drop for DtlsListener {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

/// What a listener is set up with.
type Config = Result<ServerConfig, CredentialError>;
