//! `DTLSServerOpenSSL`.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use dtls_core::{Accepted, Acceptor, Datagrams, PskKeys, ServerConfig, Stats};
use godot::builtin::{GString, PackedByteArray};
use godot::classes::{CryptoKey, PacketPeerUdp, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, GodotClass, InstanceId};
use godot::register::godot_api;
use parking_lot::Mutex;

use crate::configuration;
use crate::credentials;
use crate::error::CredentialError;
use crate::gdext_private::OptionalCertificate;
use crate::logging::Holder;
use crate::names::class;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;
use crate::peers::{self, Handled, Known};
use crate::udp::{self, Claim, Flow};

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
    /// Where everything is; `peers.rs` says why.
    handle: Arc<Handle>,
}}

/// What a server has. The engine is not called while it is locked: it may print something, and whoever
/// listens to that may ask the server.
#[derive(Default)]
pub(crate) struct Handle {
    /// The object's, once it was asked for.
    id: OnceLock<InstanceId>,
    server: Mutex<Server>,
}

#[derive(Default)]
struct Server {
    acceptor: Option<Acceptor>,
    /// Why the last `setup` failed.
    last_error: String,
    /// What is wrong with the calls of `take_connection`.
    misuse: &'static str,
}

impl Handled for DtlsServer {
    type Handle = Handle;

    fn handle_of(object: &Gd<Self>) -> Arc<Handle> {
        let handle = Arc::clone(&object.bind().handle);
        let _the_same = handle.id.set(object.instance_id());
        handle
    }

    fn known() -> &'static Known<Handle> {
        static KNOWN: Known<Handle> = Known::new();
        &KNOWN
    }
}

impl Drop for DtlsServer {
    fn drop(&mut self) {
        if let Some(id) = self.handle.id.get() {
            Self::known().forget(*id);
        }
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
        #[opt(default = OptionalCertificate(None))] chain: OptionalCertificate,
    ) -> Error {
        Self::set_config(this, "setup", credentials::server(key, certificate, chain.0))
    }

    /// The same as [method setup], with the options of [method TLSOptions.server].
    #[func(gd_self)]
    fn setup_tls(this: Gd<Self>, server_options: Option<Gd<TlsOptions>>) -> Error {
        Self::set_config(this, "setup_tls", credentials::server_by_options(server_options))
    }

    /// The same as [method setup], with everything that [DTLSOptions] has. [method get_last_error] names
    /// the property that cannot be used.
    ///
    /// Called again, it also counts for handshakes that are not over: they fail if something else is
    /// demanded of clients by then, such as another revocation list, or if the client's pre-shared key is not
    /// among the keys any more.
    #[func(gd_self)]
    fn setup_with_options(this: Gd<Self>, options: Option<Gd<DtlsOptions>>) -> Error {
        Self::set_config(this, "setup_with_options", configuration::server(options))
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
        Self::change(this, "set_psk", |acceptor| {
            let (identity, key) = (identity.to_string(), key.as_slice());
            if let Some(keys) = acceptor.config().psk_keys() {
                return Ok(keys.set(&identity, key)?);
            }
            let keys = PskKeys::new();
            keys.set(&identity, key)?;
            let config = acceptor.config().clone().with_psk(keys)?;
            acceptor.set_config(config);
            Ok(())
        })
    }

    /// Takes the pre-shared key of [param identity] away, and tells whether it had one. Connections that
    /// exist go on.
    #[func]
    fn remove_psk(&self, identity: GString) -> bool {
        self.handle.with(|server| {
            let acceptor = server.acceptor.as_ref();
            let keys = acceptor.and_then(|acceptor| acceptor.config().psk_keys());
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
        let server = Self::handle(&this);
        server.take(udp_peer).unwrap_or_else(|why| {
            // How often it is made is up to whoever sends datagrams, so a mistake is printed once.
            let known = server.with(|server| std::mem::replace(&mut server.misuse, why));
            if known != why {
                log::error!("{}.take_connection: {why}.", Self::class_id());
            }
            PacketPeerDtls::refused(why)
        })
    }
}

impl DtlsServer {
    fn handle(this: &Gd<Self>) -> Arc<Handle> {
        peers::handle(this.instance_id(), || this.clone())
    }

    fn set_config(
        this: Gd<Self>,
        method: &str,
        config: Result<ServerConfig, CredentialError>,
    ) -> Error {
        let server = Self::handle(&this);
        let result = config.and_then(|config| server.with(|server| server.use_config(config)));
        server.settle(method, result)
    }

    /// Changes a server that was set up.
    fn change(
        this: Gd<Self>,
        method: &str,
        change: impl FnOnce(&mut Acceptor) -> Result<(), CredentialError>,
    ) -> Error {
        let server = Self::handle(&this);
        let result = server.with(|server| match &mut server.acceptor {
            Some(acceptor) => change(acceptor),
            None => Err(CredentialError::NotSetUp),
        });
        server.settle(method, result)
    }
}

impl Handle {
    fn with<R>(&self, action: impl FnOnce(&mut Server) -> R) -> R {
        let _holder = Holder::new();
        let mut server = self.server.lock();
        action(&mut server)
    }

    pub(crate) fn last_error(&self) -> String {
        self.with(
            |Server { misuse, last_error, .. }| {
                if misuse.is_empty() { last_error.clone() } else { (*misuse).to_owned() }
            },
        )
    }

    pub(crate) fn stats(&self) -> Stats {
        self.with(|server| server.acceptor.as_ref().map(Acceptor::stats).unwrap_or_default())
    }

    /// The peer for a client, or what the caller did wrong.
    fn take(
        &self,
        udp_peer: Option<Gd<PacketPeerUdp>>,
    ) -> Result<Gd<PacketPeerDtls>, &'static str> {
        const NOT_SET_UP: &str = "the server has no certificate yet; call setup() first";
        if self.with(|server| server.acceptor.is_none()) {
            return Err(NOT_SET_UP);
        }
        let mut udp = udp_peer.ok_or("the UDP peer is null")?;
        if !udp.is_socket_connected() {
            return Err(
                "the UDP peer is not connected; it has to come from UDPServer.take_connection()",
            );
        }
        let claim = Claim::of(&udp).ok_or(
            "another peer uses this UDP peer; take it again only when the connection of that one is over",
        )?;
        self.with(|server| server.misuse = "");
        let now = Instant::now();
        let mut outgoing = Datagrams::new();
        let mut session = None;
        let mut why = "no datagram is waiting";
        let asked = udp.clone();
        udp::receive(&mut udp, |datagram| {
            let Some(address) = udp::address(&asked) else {
                return Flow::More;
            };
            let accepted = self.with(|server| {
                let acceptor = server.acceptor.as_mut()?;
                Some(acceptor.handle_datagram(address, datagram, &mut outgoing, now))
            });
            let Some(accepted) = accepted else { return Flow::Enough };
            match accepted {
                Ok(Accepted::Session(accepted)) => {
                    session = Some(accepted);
                    return Flow::Enough;
                }
                Ok(Accepted::CookieSent) => {
                    log::debug!("{address} was sent a cookie");
                    why = "the client was asked to prove its address and will come again; \
                           this is a part of every connection";
                }
                Ok(Accepted::Noise) => {
                    log::debug!("{address} sent something other than a ClientHello");
                    why = "what arrived was not the beginning of a connection";
                }
                Err(error) => {
                    log::warn!("a ClientHello of {address} was lost: {error}");
                    why = "OpenSSL failed";
                }
            }
            Flow::More
        });
        for datagram in outgoing.iter() {
            udp::send(&mut udp, datagram);
        }
        Ok(match session {
            Some(session) => PacketPeerDtls::accepted(udp, claim, *session),
            None => PacketPeerDtls::refused(why),
        })
    }

    /// Keeps and prints what is wrong, if anything is.
    fn settle(&self, method: &str, result: Result<(), CredentialError>) -> Error {
        let last_error = result.as_ref().map_or_else(ToString::to_string, |()| String::new());
        self.with(|server| {
            server.misuse = "";
            server.last_error = last_error;
        });
        match result {
            Ok(()) => Error::OK,
            Err(error) => {
                log::error!("{}.{method}: {error}.", DtlsServer::class_id());
                error.code()
            }
        }
    }
}

impl Server {
    fn use_config(&mut self, config: ServerConfig) -> Result<(), CredentialError> {
        match &mut self.acceptor {
            Some(acceptor) => acceptor.set_config(config),
            None => self.acceptor = Some(Acceptor::new(config, Instant::now())?),
        }
        Ok(())
    }
}
