//! `PacketPeerDTLSOpenSSL`.
//!
//! The class refers to no method of `methods.rs`, which registers them on it.

mod connection;
mod enums;
mod handle;
mod listened;
pub(crate) mod methods;
mod native;
mod resolving;
mod start;
mod transport;

use dtls_core::{Session, Stats};
use godot::builtin::{GString, PackedByteArray, VarDictionary};
use godot::classes::{PacketPeerUdp, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, GodotClass, NewGd};
use godot::register::godot_api;

use self::connection::Peer;
use self::enums::{Reason, Status};
use self::transport::{EngineSocket, Transport};
use crate::configuration::client::{Client, client_config};
use crate::configuration::error::CredentialError;
use crate::configuration::{certificate, of_arguments, of_options};
use crate::engine::handles::{self, HasHandle, Registered};
use crate::engine::names::class;
use crate::engine::statistics;
use crate::engine::udp::Claim;
use crate::gdext_private::class_enum::class_enums;
use crate::gdext_private::optional_object::Optional;
use crate::options::DtlsOptions;

pub(crate) use self::handle::PeerHandle;
pub(crate) use self::listened::Listened;

class! { peer,

/// An encrypted connection over a [PacketPeerUDP], or over a UDP socket of its own.
///
/// A client connects its UDP socket, starts the handshake with [method connect_to_peer] or
/// [method connect_tls], and calls [method poll] every frame; or it needs no socket and no IP address,
/// and starts with [method connect_to_host]. A server gets its peers from
/// [code]DTLSServerOpenSSL.take_connection()[/code] and polls them the same way. Once the status is
/// [code]STATUS_CONNECTED[/code], packets are sent and received as with every [PacketPeer]:
///
/// ```gdscript
/// var dtls := PacketPeerDTLSOpenSSL.new()
/// var udp := PacketPeerUDP.new()
///
/// func _ready() -> void:
/// 	var error := udp.connect_to_host("127.0.0.1", 4242)
/// 	if error == OK:
/// 		error = dtls.connect_to_peer(udp, true, "localhost", load("res://server.crt"))
/// 	set_process(error == OK)
///
/// func _process(_delta: float) -> void:
/// 	dtls.poll()
/// 	match dtls.get_status():
/// 		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
/// 			pass
/// 		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
/// 			while dtls.get_available_packet_count() > 0:
/// 				print(dtls.get_packet().get_string_from_utf8())
/// 		_:
/// 			print("The connection is over. ", dtls.get_last_error())
/// 			set_process(false)
/// ```
///
/// Packets may get lost or arrive in another order than they were sent in, but never twice: it is UDP
/// underneath. One packet is one datagram of at most 16,384 bytes; packets of up to 1,163 bytes are not
/// split on the way.
pub(crate) struct PacketPeerDtls {
    /// Everything that the peer has; `engine/handles.rs` says why.
    handle: Registered<PeerHandle>,
}}

class_enums!(PacketPeerDtls: Status, Reason);

impl HasHandle for PacketPeerDtls {
    type Handle = PeerHandle;

    fn registered(&self) -> &Registered<PeerHandle> {
        &self.handle
    }
}

impl PacketPeerDtls {
    /// A server's peer whose handshake has begun.
    pub(crate) fn accepted(udp: Gd<PacketPeerUdp>, claim: Claim, session: Session) -> Gd<Self> {
        let transport = Transport::Engine(EngineSocket::new(udp, claim));
        Self::new_with(|peer| peer.accept(transport, session))
    }

    /// A server's peer without a connection.
    pub(crate) fn refused(why: &str) -> Gd<Self> {
        Self::new_with(|peer| peer.refuse(why))
    }

    /// The peer of a listener's client.
    pub(crate) fn of_handle(registered: Registered<PeerHandle>) -> Gd<Self> {
        handles::object_of(registered, |handle| Self { handle })
    }

    fn new_with(action: impl FnOnce(&mut Peer)) -> Gd<Self> {
        let (object, handle) = handles::new_object(|handle| Self { handle });
        handle.with((), action);
        object
    }
}

#[godot_api]
impl PacketPeerDtls {
    /// Starts a handshake over [param packet_peer], which has to be connected, see
    /// [method PacketPeerUDP.connect_to_host]. That takes an IP address: [method IP.resolve_hostname] finds
    /// the one of a host name, and [method connect_to_host] does so without blocking a frame.
    ///
    /// With [param validate_certs], the server's certificate has to be meant for servers, to lead to
    /// one that is trusted, and to be for [param for_hostname], a host name or an IP address. Trusted
    /// is [param valid_certificate], which may be an authority, the server's own certificate or a
    /// bundle of several; or else the project setting
    /// [code]network/tls/certificate_bundle_override[/code]; or else what the system trusts. The host
    /// name can be left out only if [param valid_certificate] is given. Without [param validate_certs]
    /// nothing is verified, [param valid_certificate] or not: anyone on the way can read and change
    /// everything.
    ///
    /// Returns [constant ERR_INVALID_PARAMETER] when an argument cannot be used, and
    /// [constant ERR_ALREADY_IN_USE] during a connection or while another peer uses
    /// [param packet_peer]; [method get_last_error] says more. The status is then what it was before,
    /// [constant STATUS_DISCONNECTED] on a new peer, so look at what this returns. After the end of a
    /// connection it can be called again.
    #[func(gd_self)]
    fn connect_to_peer(
        this: Gd<Self>,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        #[opt(default = true)] validate_certs: bool,
        #[opt(default = "")] for_hostname: GString,
        #[opt(default = Optional(None))] valid_certificate: Optional<X509Certificate>,
    ) -> Error {
        let method = format!("{}.connect_to_peer", Self::class_id());
        handles::handle_of(&this).with(Error::ERR_BUSY, |peer| {
            peer.connect(&method, || {
                start::over(packet_peer, || {
                    let name = for_hostname.to_string();
                    of_arguments::client(validate_certs, &name, valid_certificate.0)
                })
            })
        })
    }

    /// Starts a handshake over [param packet_peer] as the engine's own class does: [param hostname] is
    /// verified, against what [method TLSOptions.client] says, or against the system without options.
    ///
    /// With [method TLSOptions.client_unsafe], nothing is verified, or the chain alone if it was given
    /// one.
    #[func(gd_self)]
    fn connect_tls(
        this: Gd<Self>,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        hostname: GString,
        #[opt(default = Optional(None))] client_options: Optional<TlsOptions>,
    ) -> Error {
        let method = format!("{}.connect_tls", Self::class_id());
        handles::handle_of(&this).with(Error::ERR_BUSY, |peer| {
            peer.connect(&method, || {
                start::over(packet_peer, || {
                    of_arguments::client_by_options(&hostname.to_string(), client_options.0)
                })
            })
        })
    }

    /// Ends the connection and tells the other side. Packets that have been received can still be read.
    #[func(gd_self)]
    fn disconnect_from_peer(this: Gd<Self>) {
        handles::handle_of(&this).with((), Peer::disconnect);
    }

    /// Starts a handshake over [param packet_peer] by [param options]. [param hostname] is the name or the
    /// IP address that the server's certificate has to be for; a name is also sent to the server, which
    /// may have several. It can be left empty if [member DTLSOptions.trusted_ca],
    /// [member DTLSOptions.trusted_ca_pem] or [member DTLSOptions.pinned_sha256] is set, with a pre-shared
    /// key, and with [constant DTLSOptions.VERIFY_NONE].
    ///
    /// Returns [constant ERR_INVALID_PARAMETER] when an argument or one of the options cannot be used, and
    /// [constant ERR_ALREADY_IN_USE] during a connection or while another peer uses
    /// [param packet_peer]; [method get_last_error] names the property and what is wrong with it.
    #[func(gd_self)]
    fn connect_with_options(
        this: Gd<Self>,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        hostname: GString,
        options: Option<Gd<DtlsOptions>>,
    ) -> Error {
        let method = format!("{}.connect_with_options", Self::class_id());
        handles::handle_of(&this).with(Error::ERR_BUSY, |peer| {
            peer.connect(&method, || {
                start::over(packet_peer, || by_options(&hostname.to_string(), options))
            })
        })
    }

    /// Starts a handshake with the server at [param address], a host name or an IP address, and
    /// [param port], by [param options]. It has a socket of its own: no [PacketPeerUDP] is needed.
    ///
    /// A host name is looked up first, while the game goes on: [method poll] asks for the answer, and the
    /// status is [constant STATUS_HANDSHAKING] meanwhile. If the name has several addresses, IPv4 or IPv6,
    /// each is tried for 1 s in turn, until one answers.
    ///
    /// The server's certificate has to be for [param address], and to lead to one that is trusted: see
    /// [member DTLSOptions.trusted_ca]. Without [param options] it is the project setting
    /// [code]network/tls/certificate_bundle_override[/code] or else the system that says what is trusted.
    /// A host name is also sent to the server, which may have several. Neither is verified with a
    /// pre-shared key, nor with [constant DTLSOptions.VERIFY_NONE]. For a server that is known by its pin
    /// alone, set that constant and [member DTLSOptions.pinned_sha256]: the pin counts all the same.
    ///
    /// Returns [constant ERR_INVALID_PARAMETER] when [param address] is empty or no name,
    /// [param port] is not 1 to 65,535, or one of the options cannot be used;
    /// [constant ERR_ALREADY_IN_USE] during a connection; [constant ERR_BUSY] when the engine looks up as
    /// many names as it can, 256; and [constant ERR_CANT_CREATE] when the system gives no socket.
    /// [method get_last_error] says more. A name that has no address ends in [constant STATUS_ERROR]
    /// with [constant REASON_CANNOT_RESOLVE]. Looking it up and the handshake together take no longer
    /// than [member DTLSOptions.handshake_timeout].
    ///
    /// [b]Note:[/b] The engine looks names up one after the other, and nothing can stop it. One that takes
    /// long makes those after it wait, also when nobody asks for it any more.
    #[func(gd_self)]
    fn connect_to_host(
        this: Gd<Self>,
        address: GString,
        port: i64,
        #[opt(default = Optional(None))] options: Optional<DtlsOptions>,
    ) -> Error {
        let method = format!("{}.connect_to_host", Self::class_id());
        let options = options.0.unwrap_or_else(DtlsOptions::new_gd);
        handles::handle_of(&this).with(Error::ERR_BUSY, |peer| {
            peer.connect(&method, || {
                start::to_host(address.to_string(), port, |name| by_options(name, Some(options)))
            })
        })
    }

    /// The certificate of the other side, or null if it has shown none. Like everything that is known of
    /// the other side, it can be had while the status is [code]STATUS_CONNECTED[/code].
    ///
    /// [b]Note:[/b] Whether it was verified is up to how the connection was begun: without verification
    /// anyone can show any certificate.
    #[func]
    fn get_peer_certificate(&self) -> Option<Gd<X509Certificate>> {
        let chain = self.handle.with(Vec::new(), |peer| peer.certificates());
        certificate::loaded(chain.first()?).ok()
    }

    /// The certificates of the other side as PEM text: its own first, then the intermediates that it has
    /// sent. Empty if it has shown none. After a resumed handshake a server knows its client's own
    /// certificate only.
    #[func]
    fn get_peer_certificate_pem(&self) -> GString {
        GString::from(&self.handle.with(Vec::new(), |peer| peer.certificates()).concat())
    }

    /// The SHA-256 of the other side's certificate, in the form that [member DTLSOptions.pinned_sha256]
    /// takes. Empty if it has shown none.
    #[func]
    fn get_peer_fingerprint(&self) -> GString {
        self.ask(Session::peer_fingerprint)
    }

    /// The common name in the other side's certificate, such as the name of a player. Empty if there is
    /// none. It is as good as the authority that has signed it.
    #[func]
    fn get_peer_common_name(&self) -> GString {
        self.ask(Session::peer_common_name)
    }

    /// The identity of the pre-shared key of this connection. Empty without one.
    #[func]
    fn get_psk_identity(&self) -> GString {
        self.ask(Session::psk_identity)
    }

    /// The host name that the client has asked for (SNI). Empty if it has asked for none.
    #[func]
    fn get_server_name(&self) -> GString {
        self.ask(Session::server_name)
    }

    /// The protocol that both sides have agreed on, one of [member DTLSOptions.alpn_protocols]. Empty if
    /// one of them has none.
    #[func]
    fn get_alpn_protocol(&self) -> GString {
        self.ask(Session::alpn_protocol)
    }

    /// The cipher suite, such as [code]"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"[/code].
    #[func]
    fn get_cipher_suite(&self) -> GString {
        self.ask(|session| session.cipher_suite().map(str::to_owned))
    }

    /// The version of the protocol, [code]"DTLS 1.2"[/code].
    #[func]
    fn get_protocol_version(&self) -> GString {
        self.ask(|session| session.protocol_version().map(str::to_owned))
    }

    /// Secret bytes that both sides of this connection have, and no one else (RFC 5705): as
    /// many as [param length], from 1 to 8,160. [param label] says what they are for, so that different
    /// uses get different bytes; [param context] can tie them to something that both sides know, such as
    /// the number of a match. Empty, with an error on the console, when the status is not
    /// [code]STATUS_CONNECTED[/code] or an argument cannot be used. An empty context is the same as none.
    #[func]
    fn export_keying_material(
        &self,
        label: GString,
        length: i64,
        #[opt(default = &PackedByteArray::new())] context: PackedByteArray,
    ) -> PackedByteArray {
        let context = Some(context.as_slice()).filter(|context| !context.is_empty());
        let length = usize::try_from(length).unwrap_or_default();
        let exported = self.handle.with(None, |peer| {
            let label = label.to_string();
            peer.ask(|session| session.export_keying_material(&label, length, context)).flatten()
        });
        if exported.is_none() {
            log::error!(
                "{}.export_keying_material: it takes a connection, a label that TLS does not use \
                 itself, and a length of 1 to 8,160 bytes.",
                Self::class_id()
            );
        }
        PackedByteArray::from(exported.unwrap_or_default())
    }

    /// Whether this connection goes on with the session of an earlier one to the same server, which takes
    /// a fraction of the time: no certificate is shown or verified again. [code]false[/code] before the
    /// status is [code]STATUS_CONNECTED[/code].
    ///
    /// A session is resumed within an hour, by a client that connects with the same arguments, if the
    /// server has the same certificate and demands as before.
    #[func]
    fn is_session_reused(&self) -> bool {
        self.handle.with(false, |peer| peer.is_resumed())
    }

    /// What was counted since this connection was begun; all zero without one. The values are whole
    /// numbers, under the keys:
    ///
    /// [code]datagrams_received[/code], [code]bytes_received[/code], [code]datagrams_sent[/code] and
    /// [code]bytes_sent[/code]: what went over the UDP socket, without IP and UDP headers.
    ///
    /// [code]packets_received[/code] and [code]packets_sent[/code]: packets of the game.
    ///
    /// [code]handshakes_started[/code] and [code]handshakes_completed[/code]: 0 or 1 on a peer; more have
    /// started if its client has started again before it was connected.
    ///
    /// [code]connections[/code]: how many there are at this moment, which on a peer is 0 or 1. It is the
    /// one value that goes down again.
    ///
    /// [code]handshake_msec[/code]: milliseconds that the handshake took, once it is complete.
    ///
    /// [code]retransmissions[/code]: how often a part of the handshake was sent again because no answer
    /// came. Packets of the game are never sent again.
    ///
    /// [code]cookies_sent[/code]: how often someone at this peer's address was asked to prove it.
    ///
    /// [code]records_dropped[/code]: a [Dictionary] with what was thrown away unread:
    /// [code]malformed[/code] (not DTLS), [code]forged[/code] (encrypted, but not by the other side),
    /// [code]replayed[/code] (received before, or too old to tell), [code]too_early[/code] (encrypted,
    /// before there was a key), [code]unexpected[/code] (without a meaning at that point), [code]queue_full[/code] and
    /// [code]send_queue_full[/code] (1 MiB waited to be read, or to be sent).
    ///
    /// [code]handshakes_failed[/code]: a [Dictionary] with a count for each reason, such as
    /// [code]timeout[/code], [code]certificate_expired[/code] or [code]hostname_mismatch[/code].
    #[func]
    fn get_stats(&self) -> VarDictionary {
        statistics::dictionary(&self.handle.with(Stats::default(), |peer| peer.stats()))
    }

    /// Deprecated: the same as [method get_failure_reason], by a name that the next version does not have.
    ///
    /// @deprecated Use [method get_failure_reason].
    #[func]
    fn get_error_code(&self) -> Reason {
        self.handle.with(Reason::None, |peer| peer.failure_reason())
    }
}

impl PacketPeerDtls {
    /// What the session answers to `question`, or nothing.
    fn ask(&self, question: impl FnOnce(&Session) -> Option<String>) -> GString {
        let answer = self.handle.with(None, |peer| peer.ask(question).flatten());
        GString::from(&answer.unwrap_or_default())
    }
}

/// The configuration of a client by `options`, whose server has this name.
fn by_options(name: &str, options: Option<Gd<DtlsOptions>>) -> Result<Client, CredentialError> {
    let (parts, name) = of_options::client(name, options)?;
    client_config(&parts, name)
}

impl Drop for PacketPeerDtls {
    fn drop(&mut self) {
        self.handle.with((), Peer::close);
    }
}
