//! What a connection is: what its two sides have agreed upon, and what can be made of that.

use openssl::ssl::{NameType, SslRef};

use crate::config::server_name;
use crate::ssl::negotiation;

use super::{Session, State};

/// Longest keying material, in bytes, that can be exported. DTLS 1.3 has no more with SHA-256 (255
/// times its output: RFC 5869 section 2.3).
const LONGEST_EXPORT: usize = 255 * 32;

/// Before a session is connected, all of this is `None`.
impl Session {
    /// The cipher suite under the name that the IANA has for it, such as
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> Option<&'static str> {
        self.connected()?.current_cipher()?.standard_name()
    }

    /// The version of the protocol: `DTLS 1.2`.
    pub fn protocol_version(&self) -> Option<&'static str> {
        self.connected().map(|_| "DTLS 1.2")
    }

    /// The application protocol that was agreed upon (ALPN), if any was.
    pub fn alpn_protocol(&self) -> Option<String> {
        text(self.connected()?.selected_alpn_protocol()?)
    }

    /// The host name that the client has asked for (SNI), in lower case: at both ends. `None` if it
    /// asked for none.
    pub fn server_name(&self) -> Option<String> {
        let ssl = self.connected()?;
        let name = if ssl.is_server() {
            server_name::requested(ssl)
        } else {
            ssl.servername(NameType::HOST_NAME)
        };
        name.map(str::to_owned)
    }

    /// The identity of the pre-shared key, if the connection is by one.
    pub fn psk_identity(&self) -> Option<String> {
        text(self.connected()?.psk_identity()?)
    }

    /// Keying material of `length` bytes (RFC 5705): the same at both ends, known to no one else, and
    /// different for each label and context. An empty context is another one than none.
    ///
    /// `None` too if the label is empty or one that TLS itself uses, if the length is 0 or above
    /// 8,160, if the context has more than 65,535 bytes, and if the peer is too old to do this safely
    /// (RFC 7627 section 5.4).
    pub fn export_keying_material(
        &self,
        label: &str,
        length: usize,
        context: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let ssl = self.connected()?;
        let fits = (1..=LONGEST_EXPORT).contains(&length)
            && context.is_none_or(|context| u16::try_from(context.len()).is_ok());
        if label.is_empty() || !fits || !negotiation::has_extended_master_secret(ssl) {
            return None;
        }
        let mut material = vec![0; length];
        // OpenSSL refuses the labels of TLS.
        ssl.export_keying_material(&mut material, label, context).ok().map(|()| material)
    }

    fn connected(&self) -> Option<&SslRef> {
        match &self.state {
            State::Connected(state) => Some(state.link.ssl()),
            _ => None,
        }
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
