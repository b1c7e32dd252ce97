//! `DTLSServerOpenSSL`.
//!
//! The class refers to no method of `methods.rs`, which registers them on it.

mod handle;
pub(crate) mod methods;

use dtls_core::{Listener, PskKeys, ServerConfig};
use godot::builtin::{GString, PackedByteArray};
use godot::classes::{CryptoKey, PacketPeerUdp, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::Gd;
use godot::register::godot_api;

use self::handle::ServerHandle;
use crate::configuration::error::CredentialError;
use crate::configuration::{of_arguments, of_options};
use crate::engine::handles::{self, HasHandle, Registered};
use crate::engine::names::class;
use crate::gdext_private::optional_object::Optional;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;

class! { server,

/// Accepts DTLS clients: turns a connected [PacketPeerUDP] into an encrypted [PacketPeer].
///
/// Set the server up once with its private key and certificate, then give it every [PacketPeerUDP]
/// that a [UDPServer] has, and keep those that come back in [code]STATUS_HANDSHAKING[/code]:
///
/// ```gdscript
/// var dtls := DTLSServerOpenSSL.new()
/// var server := UDPServer.new()
/// var peers: Array[PacketPeerDTLSOpenSSL] = []
///
/// func _ready() -> void:
/// 	var options := DTLSOptions.new()
/// 	var folder := "res://dtls_certificates"
/// 	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
/// 	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
/// 	options.idle_timeout = 20.0
/// 	if dtls.setup_with_options(options) != OK or server.listen(4242) != OK:
/// 		set_process(false)
///
/// func _process(_delta: float) -> void:
/// 	server.poll()
/// 	while server.is_connection_available():
/// 		var peer := dtls.take_connection(server.take_connection())
/// 		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
/// 			peers.append(peer)
/// 	for peer: PacketPeerDTLSOpenSSL in peers.duplicate():
/// 		peer.poll()
/// 		while peer.get_available_packet_count() > 0:
/// 			print(peer.get_packet().get_string_from_utf8())
/// 		match peer.get_status():
/// 			PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
/// 				pass
/// 			_:
/// 				peers.erase(peer)
/// ```
///
/// Go on calling [method UDPServer.poll] in every frame: the peers' datagrams come through it, too.
///
/// UDP does not tell when a player's game was killed. Such a peer stays [code]STATUS_CONNECTED[/code] for
/// ever unless [member DTLSOptions.idle_timeout] is set, as above, or the project setting
/// [code]dtls/network/idle_timeout[/code].
///
/// The private key is read as a file, since it belongs into no export of the game:
/// [code]res://dtls_certificates/[/code], where the plugin's dialog puts it, is left out of exports and
/// cannot be read by [method @GDScript.load]. Copy the two files to where an exported server runs, and read
/// them from there.
///
/// [b]Note:[/b] On Linux, [method UDPServer.listen] returns [code]OK[/code] also on a port on which another
/// [UDPServer] listens, and only one of the two hears anything. [method PacketPeerUDP.bind] returns an error
/// there.
///
/// It is normal that the first attempt of every client ends in [code]STATUS_ERROR[/code]: the client
/// is asked to prove its address first (RFC 6347 section 4.2.1), and comes back with the proof. Until
/// then the server keeps nothing about it.
///
/// Only DTLS 1.2 is spoken, with authenticated encryption and forward secrecy. The last may be missing with
/// a pre-shared key, if a client offers nothing better.
pub(crate) struct DtlsServer {
    /// Everything that the server has; `engine/handles.rs` says why.
    handle: Registered<ServerHandle>,
}}

impl HasHandle for DtlsServer {
    type Handle = ServerHandle;

    fn registered(&self) -> &Registered<ServerHandle> {
        &self.handle
    }
}

#[godot_api]
impl DtlsServer {
    /// Sets the private key and the certificate that clients are shown. [param certificate] may hold
    /// the intermediate certificates as well, the server's own first; [param chain] adds further ones.
    /// The key is an RSA key of at least 2,048 bits, or an ECDSA key on P-256 or P-384: DTLS 1.2 has no
    /// use for others, such as Ed25519.
    ///
    /// Can be called again at any time, for instance with a renewed certificate: it counts for new
    /// connections, and those that exist go on.
    ///
    /// Returns [constant ERR_INVALID_PARAMETER] when one of them is null, empty or unreadable, when the
    /// key is not private, and when key and certificate do not belong together; the server then stays
    /// as it was, and [method get_last_error] says what is wrong.
    ///
    /// [b]Note:[/b] The engine gives only the first certificate of an [X509Certificate] back. A chain
    /// has to be loaded as a resource, with [method @GDScript.load], or it is refused. As text it can be in
    /// any file: see [member DTLSOptions.certificate_pem].
    #[func(gd_self)]
    fn setup(
        this: Gd<Self>,
        key: Option<Gd<CryptoKey>>,
        certificate: Option<Gd<X509Certificate>>,
        #[opt(default = Optional(None))] chain: Optional<X509Certificate>,
    ) -> Error {
        Self::set_config(this, "setup", of_arguments::server(key, certificate, chain.0))
    }

    /// The same as [method setup], with the options of [method TLSOptions.server].
    #[func(gd_self)]
    fn setup_tls(this: Gd<Self>, server_options: Option<Gd<TlsOptions>>) -> Error {
        Self::set_config(this, "setup_tls", of_arguments::server_by_options(server_options))
    }

    /// The same as [method setup], with everything that [DTLSOptions] has. [method get_last_error] names
    /// the property that cannot be used.
    ///
    /// Called again, it also counts for handshakes that are not over: they fail if something else is
    /// demanded of clients by then, such as another revocation list, or if the client's pre-shared key is not
    /// among the keys any more.
    #[func(gd_self)]
    fn setup_with_options(this: Gd<Self>, options: Option<Gd<DtlsOptions>>) -> Error {
        Self::set_config(this, "setup_with_options", of_options::server(options))
    }

    /// Adds a pre-shared key of 16 to 512 bytes for the clients to come, or replaces the one that
    /// [param identity] has. Connections that exist go on; handshakes that are not over do not get in by the
    /// key before.
    ///
    /// Returns [constant ERR_UNCONFIGURED] before the first [method setup], and
    /// [constant ERR_INVALID_PARAMETER] when one of the two cannot be used or the server requires
    /// certificates of its clients. The next [method setup] forgets the key.
    #[func(gd_self)]
    fn set_psk(this: Gd<Self>, identity: GString, key: PackedByteArray) -> Error {
        Self::change(this, "set_psk", |listener| {
            let (identity, key) = (identity.to_string(), key.as_slice());
            if let Some(keys) = listener.config().psk_keys() {
                return Ok(keys.set(&identity, key)?);
            }
            let keys = PskKeys::new();
            keys.set(&identity, key)?;
            let config = listener.config().to_builder().with_psk_keys(keys).build()?;
            listener.set_config(config);
            Ok(())
        })
    }

    /// Takes the pre-shared key of [param identity] away, and tells whether it had one. Connections that
    /// exist go on.
    #[func]
    fn remove_psk(&self, identity: GString) -> bool {
        self.handle.with(|server| {
            let listener = server.listener.as_ref();
            let keys = listener.and_then(|listener| listener.config().psk_keys());
            keys.is_some_and(|keys| keys.remove(&identity.to_string()))
        })
    }

    /// Tries to begin a handshake with the client behind [param udp_peer], which has to be connected,
    /// as those of [method UDPServer.take_connection] are.
    ///
    /// Never returns null. Go on with the returned peer only if its status is
    /// [code]STATUS_HANDSHAKING[/code]: with every client one attempt is lost to the cookie exchange,
    /// and datagrams that are not the beginning of a connection end the same way. So do clients whose
    /// network has as many connections as [member DTLSOptions.max_peers_per_prefix] allows, and a
    /// [PacketPeerUDP] that another peer still uses; [method PacketPeerDTLSOpenSSL.get_last_error] of the
    /// returned peer says which it was.
    ///
    /// A client that connects anew from the address of a connection, mostly after a crash, comes through
    /// here, too: once it has been let in, its old peer is [code]STATUS_DISCONNECTED[/code], with the
    /// error "the client started again". Nothing less ends the old one.
    #[func(gd_self)]
    fn take_connection(this: Gd<Self>, udp_peer: Option<Gd<PacketPeerUdp>>) -> Gd<PacketPeerDtls> {
        handles::handle_of(&this).take_connection(udp_peer)
    }
}

impl DtlsServer {
    fn set_config(
        this: Gd<Self>,
        method: &str,
        config: Result<ServerConfig, CredentialError>,
    ) -> Error {
        let server = handles::handle_of(&this);
        let result = config.and_then(|config| server.with(|server| server.use_config(config)));
        server.settle(method, result)
    }

    /// Changes a server that was set up.
    fn change(
        this: Gd<Self>,
        method: &str,
        change: impl FnOnce(&mut Listener) -> Result<(), CredentialError>,
    ) -> Error {
        let server = handles::handle_of(&this);
        let result = server.with(|server| match &mut server.listener {
            Some(listener) => change(listener),
            None => Err(CredentialError::NotSetUp),
        });
        server.settle(method, result)
    }
}
