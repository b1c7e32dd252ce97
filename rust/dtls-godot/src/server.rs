//! `DTLSServerOpenSSL`.

use std::time::Instant;

use dtls_core::{Accepted, Acceptor, Datagrams, PskKeys, ServerConfig};
use godot::builtin::{GString, PackedByteArray, VarDictionary};
use godot::classes::{CryptoKey, PacketPeerUdp, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, GodotClass};
use godot::register::godot_api;

use crate::configuration;
use crate::credentials;
use crate::error::CredentialError;
use crate::gdext_private::OptionalCertificate;
use crate::names::class;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;
use crate::stats;
use crate::udp::{self, Flow};

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
/// [b]Note:[/b] On Linux, [method UDPServer.listen] returns [constant OK] also on a port on which another
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
    acceptor: Option<Acceptor>,
    /// Why the last `setup` failed.
    last_error: GString,
    /// What is wrong with the calls of `take_connection`.
    misuse: &'static str,
}}

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
        let acceptor = self.acceptor.as_ref();
        let keys = acceptor.and_then(|acceptor| acceptor.config().psk_keys());
        keys.is_some_and(|keys| keys.remove(&identity.to_string()))
    }

    /// Tries to begin a handshake with the client behind [param udp_peer], which has to be connected,
    /// as those of [method UDPServer.take_connection] are.
    ///
    /// Never returns null. Go on with the returned peer only if its status is
    /// [code]STATUS_HANDSHAKING[/code]: with every client one attempt is lost to the cookie exchange,
    /// and datagrams that are not the beginning of a connection end the same way.
    #[func(gd_self)]
    fn take_connection(
        mut this: Gd<Self>,
        udp_peer: Option<Gd<PacketPeerUdp>>,
    ) -> Gd<PacketPeerDtls> {
        let taken = this.bind_mut().take(udp_peer);
        taken.unwrap_or_else(|why| {
            // How often it is made is up to whoever sends datagrams, so a mistake is printed once.
            let known = std::mem::replace(&mut this.bind_mut().misuse, why);
            if known != why {
                log::error!("{}.take_connection: {why}.", Self::class_id());
            }
            PacketPeerDtls::refused(why)
        })
    }

    /// Why the last call of [method setup], [method setup_tls], [method setup_with_options] or
    /// [method set_psk] failed, or the last one of
    /// [method take_connection] was made with something that cannot be a client, in words. Empty when
    /// nothing failed; why a returned peer is of no use is what that peer says.
    #[func]
    fn get_last_error(&self) -> GString {
        if self.misuse.is_empty() { self.last_error.clone() } else { GString::from(self.misuse) }
    }

    /// What was counted since the first [method setup], by the server itself and by every peer that it
    /// ever took, also those that are gone. The keys are those of
    /// [code]PacketPeerDTLSOpenSSL.get_stats()[/code]. Here [code]handshake_msec[/code] is the sum over
    /// all completed handshakes, and [code]cookies_sent[/code] counts how often a client was asked to
    /// prove its address: much more often than [code]handshakes_started[/code] means that someone
    /// sends from false addresses.
    #[func]
    fn get_stats(&self) -> VarDictionary {
        stats::dictionary(&self.acceptor.as_ref().map(Acceptor::stats).unwrap_or_default())
    }

    /// The peer for a client, or what the caller did wrong.
    fn take(
        &mut self,
        udp_peer: Option<Gd<PacketPeerUdp>>,
    ) -> Result<Gd<PacketPeerDtls>, &'static str> {
        let acceptor = self
            .acceptor
            .as_mut()
            .ok_or("the server has no certificate yet; call setup() first")?;
        let mut udp = udp_peer.ok_or("the UDP peer is null")?;
        if !udp.is_socket_connected() {
            return Err(
                "the UDP peer is not connected; it has to come from UDPServer.take_connection()",
            );
        }
        self.misuse = "";
        let now = Instant::now();
        let mut outgoing = Datagrams::new();
        let mut session = None;
        let mut why = "no datagram is waiting";
        let asked = udp.clone();
        udp::receive(&mut udp, |datagram| {
            let Some(address) = udp::address(&asked) else {
                return Flow::More;
            };
            match acceptor.handle_datagram(address, datagram, &mut outgoing, now) {
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
            Some(session) => PacketPeerDtls::accepted(udp, *session),
            None => PacketPeerDtls::refused(why),
        })
    }

    fn set_config(
        mut this: Gd<Self>,
        method: &str,
        config: Result<ServerConfig, CredentialError>,
    ) -> Error {
        let result = config.and_then(|config| this.bind_mut().use_config(config));
        Self::settle(this, method, result)
    }

    /// Changes a server that was set up.
    fn change(
        mut this: Gd<Self>,
        method: &str,
        change: impl FnOnce(&mut Acceptor) -> Result<(), CredentialError>,
    ) -> Error {
        let result = match &mut this.bind_mut().acceptor {
            Some(acceptor) => change(acceptor),
            None => Err(CredentialError::NotSetUp),
        };
        Self::settle(this, method, result)
    }

    /// Keeps and prints what is wrong, if anything is.
    fn settle(mut this: Gd<Self>, method: &str, result: Result<(), CredentialError>) -> Error {
        {
            let mut this = this.bind_mut();
            this.misuse = "";
            this.last_error = match &result {
                Ok(()) => GString::new(),
                Err(error) => GString::from(&error.to_string()),
            };
        }
        match result {
            Ok(()) => Error::OK,
            Err(error) => {
                // Whoever listens to the console may ask the server something: it is not held here.
                log::error!("{}.{method}: {error}.", Self::class_id());
                error.code()
            }
        }
    }

    fn use_config(&mut self, config: ServerConfig) -> Result<(), CredentialError> {
        match &mut self.acceptor {
            Some(acceptor) => acceptor.set_config(config),
            None => self.acceptor = Some(Acceptor::new(config, Instant::now())?),
        }
        Ok(())
    }
}
