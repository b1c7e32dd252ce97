//! `PacketPeerDTLSOpenSSL`.

use std::ptr;
use std::time::Instant;

use dtls_core::{
    ClientConfig, ConfigError, Ending, Failure, Limits, MAX_PACKET, SendError, Session,
};
use godot::builtin::{GString, VarDictionary};
use godot::classes::{IPacketPeerExtension, PacketPeerUdp};
use godot::global::Error;
use godot::meta::conv::RawPtr;
use godot::obj::{Gd, GodotClass, NewGd};
use godot::register::godot_api;

use crate::credentials::{self, CredentialError};
use crate::gdext_private::{OptionalCertificate, OptionalOptions, Status};
use crate::names::class;
use crate::stats;
use crate::udp::{self, Flow};

class! { peer,

/// An encrypted connection over a [PacketPeerUDP].
///
/// A client connects its UDP socket, starts the handshake with [method connect_to_peer] or
/// [method connect_tls], and calls [method poll] every frame; a server gets its peers from
/// [code]DTLSServerOpenSSL.take_connection()[/code] and polls them the same way. Once the status is
/// [code]STATUS_CONNECTED[/code], packets are sent and received as with every [PacketPeer]:
///
/// ```gdscript
/// var dtls := PacketPeerDTLSOpenSSL.new()
/// var udp := PacketPeerUDP.new()
///
/// func _ready() -> void:
/// 	udp.connect_to_host("203.0.113.7", 4242)
/// 	dtls.connect_to_peer(udp, true, "game.example.com")
///
/// func _process(_delta: float) -> void:
/// 	dtls.poll()
/// 	if dtls.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
/// 		while dtls.get_available_packet_count() > 0:
/// 			print(dtls.get_packet().get_string_from_utf8())
/// ```
///
/// Packets may get lost or arrive in another order than they were sent in, but never twice: it is UDP
/// underneath. One packet is one datagram of at most 16,384 bytes; packets of up to 1,163 bytes are not
/// split on the way.
pub(crate) struct PacketPeerDtls {
    connection: Connection,
    /// What `get_packet` handed out last: the engine copies from it after the call.
    packet: Vec<u8>,
    last_error: GString,
    /// What is to be logged once nobody holds the object: whoever listens may ask it something.
    report: Option<Report>,
}}

/// Something to be logged.
type Report = (log::Level, String);

#[derive(Default)]
enum Connection {
    /// Nothing was begun.
    #[default]
    None,
    /// `take_connection` found no client to talk to.
    Refused,
    /// There is a socket to serve.
    Active(Active),
    /// It is over; packets may be left.
    Over(Session),
}

struct Active {
    udp: Gd<PacketPeerUdp>,
    session: Session,
    /// Whose failures the developer wants to hear about: a client's own connection, rather than what
    /// strangers send to a server.
    is_client: bool,
}

impl PacketPeerDtls {
    /// A server's peer whose handshake has begun.
    pub(crate) fn accepted(udp: Gd<PacketPeerUdp>, session: Session) -> Gd<Self> {
        let mut peer = Self::new_gd();
        peer.bind_mut().begin(Active { udp, session, is_client: false });
        peer
    }

    /// A server's peer that leads nowhere.
    pub(crate) fn refused(why: &str) -> Gd<Self> {
        let mut peer = Self::new_gd();
        {
            let mut peer = peer.bind_mut();
            peer.connection = Connection::Refused;
            peer.last_error = GString::from(why);
        }
        peer
    }

    fn begin(&mut self, mut active: Active) {
        active.flush();
        self.connection = Connection::Active(active);
        self.packet = Vec::new();
        self.last_error = GString::new();
        self.settle();
    }

    fn connect(
        &mut self,
        method: &str,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        config: impl FnOnce() -> Result<ClientConfig, CredentialError>,
    ) -> Error {
        let result = match self.connection {
            Connection::Active(_) => Err(ConnectError::InUse),
            _ => start(packet_peer, config),
        };
        match result {
            Ok(active) => {
                self.begin(active);
                Error::OK
            }
            Err(error) => {
                self.last_error = GString::from(&error.to_string());
                let text = format!("{}.{method}: {error}.", Self::class_id());
                self.report = Some((log::Level::Error, text));
                error.code()
            }
        }
    }

    fn session(&self) -> Option<&Session> {
        match &self.connection {
            Connection::None | Connection::Refused => None,
            Connection::Active(Active { session, .. }) | Connection::Over(session) => Some(session),
        }
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.connection {
            Connection::None | Connection::Refused => None,
            Connection::Active(Active { session, .. }) | Connection::Over(session) => Some(session),
        }
    }

    /// Logs what there is to report. To be called by whoever no longer holds the object.
    fn tell(mut this: Gd<Self>) {
        let report = this.bind_mut().report.take();
        if let Some((level, text)) = report {
            log::log!(level, "{text}");
        }
    }

    /// Lets go of the socket when the session is over, and has it reported why, once.
    fn settle(&mut self) {
        let Connection::Active(active) = &self.connection else {
            return;
        };
        if let Some(failure) = active.session.failure() {
            self.last_error = GString::from(&failure.to_string());
            self.report = Some(if active.is_client {
                (log::Level::Error, format!("DTLS connection failed: {failure}."))
            } else {
                (log::Level::Info, format!("a client's connection failed: {failure}"))
            });
        } else if let Some(ending) = active.session.ending() {
            // That one side closes it is what a connection comes to; the others want to be explained.
            if matches!(ending, Ending::Idle(_) | Ending::Restarted) {
                self.last_error = GString::from(&ending.to_string());
            }
            self.report = Some((log::Level::Debug, ending.to_string()));
        } else {
            return;
        }
        if let Connection::Active(active) = std::mem::take(&mut self.connection) {
            self.connection = Connection::Over(active.session);
        }
    }
}

/// Why a client's connection could not be begun.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the peer is connected or connecting already; call disconnect_from_peer() first")]
    InUse,
    #[error("the UDP peer is null")]
    NoSocket,
    #[error("the UDP peer is not connected; call connect_to_host() on it first")]
    SocketNotConnected,
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ConnectError {
    fn code(&self) -> Error {
        match self {
            Self::InUse => Error::ERR_ALREADY_IN_USE,
            Self::NoSocket | Self::SocketNotConnected => Error::ERR_INVALID_PARAMETER,
            Self::Credentials(error) => error.code(),
            Self::Config(_) => Error::ERR_CANT_CREATE,
        }
    }
}

fn start(
    packet_peer: Option<Gd<PacketPeerUdp>>,
    config: impl FnOnce() -> Result<ClientConfig, CredentialError>,
) -> Result<Active, ConnectError> {
    let udp = packet_peer.ok_or(ConnectError::NoSocket)?;
    if !udp.is_socket_connected() {
        return Err(ConnectError::SocketNotConnected);
    }
    let session = Session::connect(&config()?, Instant::now())?;
    Ok(Active { udp, session, is_client: true })
}

impl Active {
    fn poll(&mut self) {
        if !self.udp.is_socket_connected() {
            self.session.transport_closed();
            return;
        }
        let now = Instant::now();
        let Self { udp, session, .. } = self;
        if !session.is_full() {
            udp::receive(udp, |datagram| {
                session.handle_datagram(datagram, now);
                if session.is_full() { Flow::Enough } else { Flow::More }
            });
        }
        session.handle_timeout(now);
        self.flush();
    }

    /// Sends what the session has to send; the last error of the socket, if it had one.
    fn flush(&mut self) -> Error {
        let Self { udp, session, .. } = self;
        if !udp.is_socket_connected() {
            // The engine would open a new socket, on another port, to send from.
            session.transmit(|_| {});
            session.transport_closed();
            return Error::ERR_UNCONFIGURED;
        }
        let mut result = Error::OK;
        session.transmit(|datagram| {
            let sent = udp::send(udp, datagram);
            if sent != Error::OK {
                result = sent;
            }
        });
        result
    }

    fn close(&mut self) {
        self.session.close();
        self.flush();
    }
}

#[godot_api]
impl PacketPeerDtls {
    /// Starts a handshake over [param packet_peer], which has to be connected, see
    /// [method PacketPeerUDP.connect_to_host].
    ///
    /// With [param validate_certs], the server's certificate has to be meant for servers, to lead to
    /// one that is trusted, and to be for [param for_hostname], a host name or an IP address. Trusted
    /// is [param valid_certificate], which may be an authority, the server's own certificate or a
    /// bundle of several; or else the project setting
    /// [code]network/tls/certificate_bundle_override[/code]; or else what the system trusts. The host
    /// name can be left out only if [param valid_certificate] is given. Without [param validate_certs]
    /// nothing is verified: anyone on the way can read and change everything.
    ///
    /// Returns [constant ERR_INVALID_PARAMETER] when an argument cannot be used and
    /// [constant ERR_ALREADY_IN_USE] during a connection; [method get_last_error] says more. After the
    /// end of a connection it can be called again.
    #[func(gd_self)]
    fn connect_to_peer(
        mut this: Gd<Self>,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        #[opt(default = true)] validate_certs: bool,
        #[opt(default = "")] for_hostname: GString,
        #[opt(default = OptionalCertificate(None))] valid_certificate: OptionalCertificate,
    ) -> Error {
        let result = this.bind_mut().connect("connect_to_peer", packet_peer, || {
            credentials::client(validate_certs, &for_hostname.to_string(), valid_certificate.0)
        });
        Self::tell(this);
        result
    }

    /// Starts a handshake over [param packet_peer] as the engine's own class does: [param hostname] is
    /// verified, against what [method TLSOptions.client] says, or against the system without options.
    ///
    /// With [method TLSOptions.client_unsafe], nothing is verified, or the chain alone if it was given
    /// one.
    #[func(gd_self)]
    fn connect_tls(
        mut this: Gd<Self>,
        packet_peer: Option<Gd<PacketPeerUdp>>,
        hostname: GString,
        #[opt(default = OptionalOptions(None))] client_options: OptionalOptions,
    ) -> Error {
        let result = this.bind_mut().connect("connect_tls", packet_peer, || {
            credentials::client_by_options(&hostname.to_string(), client_options.0)
        });
        Self::tell(this);
        result
    }

    /// Ends the connection and tells the other side. Packets that have been received can still be read.
    #[func]
    fn disconnect_from_peer(&mut self) {
        match &mut self.connection {
            Connection::Active(active) => active.close(),
            Connection::Over(session) => session.close(),
            Connection::None | Connection::Refused => self.connection = Connection::None,
        }
        self.last_error = GString::new();
        self.settle();
    }

    /// The state of the connection: [code]STATUS_DISCONNECTED[/code] (0),
    /// [code]STATUS_HANDSHAKING[/code] (1), [code]STATUS_CONNECTED[/code] (2),
    /// [code]STATUS_ERROR[/code] (3), or [code]STATUS_ERROR_HOSTNAME_MISMATCH[/code] (4) when the
    /// server's certificate is valid but for another name. Changes in [method poll].
    #[func]
    fn get_status(&self) -> Status {
        match &self.connection {
            Connection::None => Status::Disconnected,
            Connection::Refused => Status::Error,
            Connection::Active(Active { session, .. }) | Connection::Over(session) => {
                match session.status() {
                    dtls_core::Status::Handshaking => Status::Handshaking,
                    dtls_core::Status::Connected => Status::Connected,
                    dtls_core::Status::Closed => Status::Disconnected,
                    dtls_core::Status::Failed => match session.failure() {
                        Some(Failure::HostnameMismatch { .. }) => Status::ErrorHostnameMismatch,
                        _ => Status::Error,
                    },
                }
            }
        }
    }

    /// Handles every datagram that waits and sends again what got lost. Call it every frame: nothing
    /// happens without it. Afterwards [method PacketPeer.get_available_packet_count] is the number of
    /// all packets that have arrived.
    #[func(gd_self)]
    fn poll(mut this: Gd<Self>) {
        {
            let mut this = this.bind_mut();
            if let Connection::Active(active) = &mut this.connection {
                active.poll();
                this.settle();
            }
            if this.report.is_none() {
                return;
            }
        }
        Self::tell(this);
    }

    /// Why the connection failed, or could not be begun, in words. Empty when nothing failed.
    #[func]
    fn get_last_error(&self) -> GString {
        self.last_error.clone()
    }

    /// Whether this connection goes on with the session of an earlier one to the same server, which takes
    /// a fraction of the time: no certificate is shown or verified again. [code]false[/code] before the
    /// status is [code]STATUS_CONNECTED[/code].
    ///
    /// A session is resumed within an hour, by a client that connects with the same arguments, if the
    /// server has the same certificate and demands as before.
    #[func]
    fn is_session_reused(&self) -> bool {
        self.session().is_some_and(Session::is_resumed)
    }

    /// What was counted since this connection was begun; all zero without one. The values are whole
    /// numbers, under the keys:
    ///
    /// - [code]datagrams_received[/code], [code]bytes_received[/code], [code]datagrams_sent[/code],
    ///   [code]bytes_sent[/code]: what went over the UDP socket, without IP and UDP headers.
    /// - [code]packets_received[/code], [code]packets_sent[/code]: packets of the game.
    /// - [code]handshakes_started[/code], [code]handshakes_completed[/code]: 0 or 1 on a peer.
    /// - [code]handshake_msec[/code]: milliseconds that the handshake took, once it is complete.
    /// - [code]retransmissions[/code]: how often a part of the handshake was sent again because no
    ///   answer came. Packets of the game are never sent again.
    /// - [code]cookies_sent[/code]: how often someone at this peer's address was asked to prove it.
    /// - [code]records_dropped[/code]: a [Dictionary] with what was thrown away unread:
    ///   [code]malformed[/code] (not DTLS), [code]forged[/code] (encrypted, but not by the other side),
    ///   [code]replayed[/code] (received before, or too old to tell), [code]too_early[/code] (encrypted,
    ///   before there was a key), [code]unexpected[/code] (without a meaning at that point).
    /// - [code]handshakes_failed[/code]: a [Dictionary] with a count for each reason, such as
    ///   [code]timeout[/code], [code]certificate_expired[/code] or [code]hostname_mismatch[/code].
    #[func]
    fn get_stats(&self) -> VarDictionary {
        stats::dictionary(&self.session().map(Session::stats).unwrap_or_default())
    }
}

#[godot_api]
impl IPacketPeerExtension for PacketPeerDtls {
    fn get_available_packet_count(&self) -> i32 {
        let count = self.session().map_or(0, Session::received);
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    fn get_max_packet_size(&self) -> i32 {
        let size = match self.session() {
            Some(session) => session.max_packet_size(),
            None => Limits::default().max_packet_size(),
        };
        i32::try_from(size).unwrap_or(i32::MAX)
    }

    // # Safety
    // Called by the engine, with pointers that are null or valid for the length of the call.
    unsafe fn get_packet_rawptr(
        &mut self,
        r_buffer: RawPtr<*mut RawPtr<*const u8>>,
        r_buffer_size: RawPtr<*mut i32>,
    ) -> Error {
        let (buffer, size) = (r_buffer.ptr().cast::<*const u8>(), r_buffer_size.ptr());
        if buffer.is_null() || size.is_null() {
            return Error::ERR_INVALID_PARAMETER;
        }
        let Some(packet) = self.session_mut().and_then(Session::receive) else {
            return Error::ERR_UNAVAILABLE;
        };
        // It stays untouched until the next call, long enough for the engine to copy it.
        self.packet = packet;
        let length = i32::try_from(self.packet.len()).unwrap_or(0);
        // SAFETY: both pointers are not null, and valid as the engine promises.
        unsafe {
            buffer.write(self.packet.as_ptr());
            size.write(length);
        }
        Error::OK
    }

    // # Safety
    // Called by the engine, with a pointer that is null or readable for `p_buffer_size` bytes.
    unsafe fn put_packet_rawptr(
        &mut self,
        p_buffer: RawPtr<*const u8>,
        p_buffer_size: i32,
    ) -> Error {
        let Ok(size) = usize::try_from(p_buffer_size) else {
            return Error::ERR_INVALID_PARAMETER;
        };
        let Connection::Active(active) = &mut self.connection else {
            return Error::ERR_UNCONFIGURED;
        };
        let buffer = p_buffer.ptr();
        let payload: &[u8] = if size == 0 || size > MAX_PACKET {
            // Nothing to read, or more than may be sent; which of the two the session says.
            &[]
        } else if buffer.is_null() {
            return Error::ERR_INVALID_PARAMETER;
        } else {
            // SAFETY: not null, and readable for `size` bytes as the engine promises.
            unsafe { &*ptr::slice_from_raw_parts(buffer, size) }
        };
        let result = active.session.send(payload);
        let sent = active.flush();
        let code = match result {
            Ok(()) if size > MAX_PACKET => Error::ERR_INVALID_PARAMETER,
            Ok(()) => sent,
            Err(SendError::TooLarge) => Error::ERR_INVALID_PARAMETER,
            Err(SendError::NotConnected) => Error::ERR_UNCONFIGURED,
        };
        self.settle();
        code
    }
}

impl Drop for PacketPeerDtls {
    fn drop(&mut self) {
        if let Connection::Active(active) = &mut self.connection {
            active.close();
        }
    }
}
