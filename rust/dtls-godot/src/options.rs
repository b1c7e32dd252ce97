//! `DTLSOptions`.
#![allow(unreachable_pub)] // The accessors that gdext makes.

use dtls_core::Limits;
use godot::builtin::{Array, GString, PackedByteArray, PackedStringArray, VarDictionary};
use godot::classes::{CryptoKey, Engine, TlsOptions, X509Certificate};
use godot::obj::{Gd, GodotClass, NewGd, Singleton, WithBaseField};
use godot::register::godot_api;

use crate::engine::names::class;
use crate::gdext_private::class_enum::{class_enum, class_enums};

class! { options,

/// What one side of a connection shows and demands, with everything that [TLSOptions] does not have:
/// client certificates, pins, revocation lists, pre-shared keys, ALPN, several host names on one
/// server, session tickets, limits.
///
/// Used by [code]DTLSServerOpenSSL.setup_with_options()[/code],
/// [code]PacketPeerDTLSOpenSSL.connect_with_options()[/code] and
/// [code]PacketPeerDTLSOpenSSL.connect_to_host()[/code]. The properties are read once, at that
/// call, which returns an error and names the property when one cannot be used: nothing falls back to
/// something weaker. To change something later, make that call again.
///
/// It is a [Resource]: it can be edited in the Inspector and saved, and emits [code]changed[/code]
/// when a property is set. What is PEM text is saved with it;
/// keys and certificates that are resources have to be files, since the engine saves an object without
/// a [member Resource.resource_path] empty.
///
/// A server that lets only its own players in, and a client of it that knows the server by its
/// fingerprint:
///
/// ```gdscript
/// var server_options := DTLSOptions.new()
/// server_options.private_key = load("user://server.key")
/// server_options.certificate = load("user://server.crt")
/// server_options.verify_mode = DTLSOptions.VERIFY_REQUIRED
/// server_options.trusted_ca = load("user://players_ca.crt")
///
/// var client_options := DTLSOptions.new()
/// client_options.private_key = load("user://player.key")
/// client_options.certificate = load("user://player.crt")
/// client_options.pinned_sha256 = [pin]  # Such as "sha256:3f0a...", by DTLSCrypto.fingerprint().
/// ```
///
/// [b]Note:[/b] As with every [Object], a packed array that is read from a property is a copy:
/// [code]pinned_sha256.append(pin)[/code] changes nothing. Assign the whole array.
///
/// [b]Note:[/b] What a game exports, its players can read. Private keys of servers, pre-shared keys and
/// ticket keys do not belong into it.
pub(crate) struct DtlsOptions {
    /// The private key that belongs to [member certificate]. A server needs one, unless it has
    /// [member psk_keys]; a client needs one only if its server asks for a certificate.
    #[export_group(name = "Identity")]
    #[export]
    #[var(set)]
    pub(crate) private_key: Option<Gd<CryptoKey>>,
    /// The certificate that is shown to the other side, which may have the intermediate certificates
    /// behind it.
    #[export]
    #[var(set)]
    pub(crate) certificate: Option<Gd<X509Certificate>>,
    /// Further intermediate certificates, which are sent with [member certificate].
    #[export]
    #[var(set)]
    pub(crate) chain: Option<Gd<X509Certificate>>,
    /// The private key as PEM text, in place of [member private_key]; it may be encrypted, see
    /// [member private_key_passphrase]. There has to be one key in it.
    #[export(multiline)]
    #[var(set)]
    pub(crate) private_key_pem: GString,
    /// The certificate as PEM text, in place of [member certificate]: the own one first, then the
    /// intermediates. A block in it that cannot be read is an error, here and in the other texts; keys may
    /// stand beside certificates.
    #[export(multiline)]
    #[var(set)]
    pub(crate) certificate_pem: GString,
    /// What [member private_key_pem] is encrypted with, if it is. It is saved with the resource as it
    /// stands.
    #[export]
    #[var(set, hint = PASSWORD, usage_flags = [DEFAULT])]
    pub(crate) private_key_passphrase: GString,
    /// A server's further certificates, by the host name that a client asks for (SNI, RFC 6066): a
    /// [Dictionary] of host names and [DTLSOptions], in which key, certificate and chain are set and
    /// nothing else. The names are whole: neither wildcards nor IP addresses. A client that asks for
    /// another name, or for none, is shown the server's own.
    #[export]
    #[var(set, hint = TYPE_STRING, hint_string = "4:;24/17:DTLSOptions")] // String, and that resource.
    pub(crate) server_identities: VarDictionary,

    /// How the certificate of the other side is treated, a [enum VerifyMode].
    #[export_group(name = "Verification")]
    #[export]
    #[var(set)]
    #[init(val = VerifyMode::Default)]
    pub(crate) verify_mode: VerifyMode,
    /// What to trust: an authority, or the other side's own certificate, or a bundle of several. If
    /// this and [member trusted_ca_pem] are empty, a client trusts what the project setting
    /// [code]network/tls/certificate_bundle_override[/code] or else the system has; a server has to be
    /// given something.
    #[export]
    #[var(set)]
    pub(crate) trusted_ca: Option<Gd<X509Certificate>>,
    /// What to trust, as PEM text; added to [member trusted_ca].
    #[export(multiline)]
    #[var(set)]
    pub(crate) trusted_ca_pem: GString,
    /// The only certificates that the other side may have, by their digests. One of them has to fit.
    /// Each is [code]sha256:[/code] and the SHA-256 of the certificate in hexadecimal digits, as browsers
    /// and [code]openssl x509 -fingerprint -sha256[/code] show it, or [code]spki:[/code] and the SHA-256
    /// of its public key in Base64 (RFC 7469), which stays the same when a certificate is renewed.
    /// [code]DTLSCrypto.fingerprint()[/code] and [code]DTLSCrypto.spki_pin()[/code] make them.
    ///
    /// If [member trusted_ca] is set or a host name is given, these are needed as well as the pin.
    /// Otherwise the pin alone suffices: the certificate may be self-signed, expired and for any name.
    /// That is the simplest way to a server on a bare IP address. Pins count whatever
    /// [member verify_mode] says: with [constant VERIFY_NONE], the pin alone does, also beside a host name.
    #[export]
    #[var(set)]
    pub(crate) pinned_sha256: PackedStringArray,
    /// Certificate revocation lists, as PEM text, from the authorities that sign the other side's
    /// certificates. If there is one, the authority that signed the other side's certificate must have
    /// a list here that is valid today; a certificate without one is refused, as is a revoked one.
    #[export(multiline)]
    #[var(set)]
    pub(crate) crl_pem: GString,

    /// A client's name for [member psk_key], of 1 to 128 bytes, which is sent unencrypted.
    #[export_group(name = "Pre-shared key")]
    #[export]
    #[var(set)]
    pub(crate) psk_identity: GString,
    /// A key of 16 to 512 bytes that client and server have in common, for example one that a
    /// matchmaker has given to both. A client with one needs no certificates and takes none: it offers
    /// nothing but pre-shared keys. The bytes have to be random, see
    /// [method Crypto.generate_random_bytes]; a password is no key.
    #[export]
    #[var(set)]
    pub(crate) psk_key: PackedByteArray,
    /// A server's keys: a [Dictionary] of identities ([String]) and keys ([PackedByteArray]). While the
    /// server runs, [code]DTLSServerOpenSSL.set_psk()[/code] and
    /// [code]DTLSServerOpenSSL.remove_psk()[/code] change them.
    #[export]
    #[var(set, hint = TYPE_STRING, hint_string = "4:;29:")] // String and PackedByteArray.
    pub(crate) psk_keys: VarDictionary,

    /// The names of the protocols that can be spoken inside, such as [code]"mygame/2"[/code], the best
    /// first (ALPN, RFC 7301). If both sides have some, they have to have one in common. The server's
    /// order counts.
    #[export_group(name = "Protocol")]
    #[export]
    #[var(set)]
    pub(crate) alpn_protocols: PackedStringArray,
    /// The cipher suites to use, as a list in OpenSSL's notation, such as
    /// [code]"ECDHE+AESGCM"[/code]. It can only narrow what is allowed anyway: authenticated encryption
    /// with forward secrecy, and with a pre-shared key also without the latter. Empty: all of these, those
    /// without it last.
    #[export]
    #[var(set)]
    pub(crate) cipher_suites: GString,
    /// Largest datagram of a handshake, in bytes of UDP payload, from 508 to 8,972. 0: as the project
    /// setting [code]dtls/network/mtu[/code] says. The Inspector goes from 0 to 508 at once.
    #[export(range = (0.0, 8972.0, 1.0, suffix = "bytes"))]
    #[var(set)]
    #[init(val = Self::DEFAULT_MTU)]
    pub(crate) mtu: i64,
    /// How long a handshake may take, in seconds, from 1 to 300. A client to which nothing at all comes
    /// from the server gives up after 10 s, or after this time if it is shorter. More than 30 is waited for
    /// in full, answered or not, which suits a server that may be started after its clients. With
    /// [code]connect_to_host()[/code], looking up the name is a part of that time.
    #[export(range = (1.0, 300.0, 0.1, suffix = "s"))]
    #[var(set)]
    #[init(val = Self::DEFAULT_HANDSHAKE_TIMEOUT)]
    pub(crate) handshake_timeout: f64,
    /// After how many seconds without a packet from the other side a connection is over, from 0.1. 0: as
    /// the project setting [code]dtls/network/idle_timeout[/code] says, which is never unless it was
    /// changed. A peer whose packets wait to be read is not silent, however long you let them wait.
    #[export(range = (0.0, 3600.0, 0.1, or_greater, suffix = "s"))]
    #[var(set)]
    #[init(val = Self::DEFAULT_IDLE_TIMEOUT)]
    pub(crate) idle_timeout: f64,
    /// How many handshakes of a server may be unfinished at a time. When there are more, one is given up:
    /// the oldest of the network that has the most, where a network is one IPv4 address, or the /64 of an
    /// IPv6 address. So one host cannot push the others out. At least 1. A client leaves it at 256.
    #[export(range = (1.0, 65536.0, 1.0, or_greater))]
    #[var(set)]
    #[init(val = Self::DEFAULT_MAX_PENDING_HANDSHAKES)]
    pub(crate) max_pending_handshakes: i64,
    /// How many clients of one network may be connected to a server at a time, where a network is one
    /// IPv4 address, or the /64 of an IPv6 address. One more is refused with
    /// [constant PacketPeerDTLSOpenSSL.REASON_TOO_MANY_PEERS], and told that access is denied. 0: any
    /// number, which is the default, since all players of a household, a school or a mobile operator may
    /// have the same address. A client leaves it at 0.
    #[export(range = (0.0, 65536.0, 1.0, or_greater))]
    #[var(set)]
    #[init(val = Self::DEFAULT_MAX_PEERS_PER_PREFIX)]
    pub(crate) max_peers_per_prefix: i64,
    /// IP addresses that stand for many clients of a server, such as that of a load balancer. Each client
    /// that comes from one of them counts for itself, for [member max_pending_handshakes] and
    /// [member max_peers_per_prefix]. They are whole addresses, such as [code]"192.0.2.1"[/code] or
    /// [code]"2001:db8::1"[/code], without a port; a client leaves the list empty.
    #[export]
    #[var(set)]
    pub(crate) exempt_addresses: PackedStringArray,

    /// Whether connections may go on with the session of an earlier one, which takes a fraction of the
    /// time.
    #[export_group(name = "Sessions")]
    #[export]
    #[var(set)]
    #[init(val = true)]
    pub(crate) session_resumption: bool,
    /// Keys of 80 random bytes with which a server seals the sessions that its clients keep, so that
    /// several processes with the same keys and the same options can resume each other's sessions. New
    /// sessions are sealed with the first; all of them are opened. Empty: the server makes keys of its
    /// own and changes them every hour. Who has one of these keys can read what was resumed with it, so
    /// change them often: put a new one in front every hour and drop the oldest. An array in a variable
    /// has to be typed: [code]var keys: Array[PackedByteArray][/code].
    #[export]
    #[var(set)]
    pub(crate) ticket_keys: Array<PackedByteArray>,

    /// A file to which the secrets of every connection are added, by which Wireshark can decrypt
    /// recorded traffic (the NSS key log format). For finding bugs only: who has the file can read
    /// everything. Refused in exported release builds, unless the project setting
    /// [code]dtls/debug/allow_key_log[/code] is on.
    #[export_group(name = "Debug")]
    #[export]
    #[var(set, hint = GLOBAL_SAVE_FILE, hint_string = "*.log,*.txt")]
    pub(crate) key_log_path: GString,
}}

impl DtlsOptions {
    /// As the project setting says.
    pub(crate) const DEFAULT_MTU: i64 = 0;
    /// Seconds.
    pub(crate) const DEFAULT_HANDSHAKE_TIMEOUT: f64 = 30.0;
    /// As the project setting says.
    pub(crate) const DEFAULT_IDLE_TIMEOUT: f64 = 0.0;
    pub(crate) const DEFAULT_MAX_PENDING_HANDSHAKES: i64 = 256;
    /// Any number.
    pub(crate) const DEFAULT_MAX_PEERS_PER_PREFIX: i64 = 0;
}

/// The methods, and setters that emit `changed`, for the Inspector and others that show the options. They are
/// not borrowed when the signal is emitted: its receivers may read them.
macro_rules! with_setters {
    ({ $($set:ident($field:ident: $type:ty);)+ } $($methods:tt)*) => {
        #[godot_api]
        impl DtlsOptions {
            $(
                #[func]
                fn $set(&mut self, value: $type) {
                    self.$field = value;
                    self.base_mut().emit_changed();
                }
            )+

            $($methods)*
        }
    };
}

with_setters! {
    {
        set_private_key(private_key: Option<Gd<CryptoKey>>);
        set_certificate(certificate: Option<Gd<X509Certificate>>);
        set_chain(chain: Option<Gd<X509Certificate>>);
        set_private_key_pem(private_key_pem: GString);
        set_certificate_pem(certificate_pem: GString);
        set_private_key_passphrase(private_key_passphrase: GString);
        set_server_identities(server_identities: VarDictionary);
        set_verify_mode(verify_mode: VerifyMode);
        set_trusted_ca(trusted_ca: Option<Gd<X509Certificate>>);
        set_trusted_ca_pem(trusted_ca_pem: GString);
        set_pinned_sha256(pinned_sha256: PackedStringArray);
        set_crl_pem(crl_pem: GString);
        set_psk_identity(psk_identity: GString);
        set_psk_key(psk_key: PackedByteArray);
        set_psk_keys(psk_keys: VarDictionary);
        set_alpn_protocols(alpn_protocols: PackedStringArray);
        set_cipher_suites(cipher_suites: GString);
        set_handshake_timeout(handshake_timeout: f64);
        set_idle_timeout(idle_timeout: f64);
        set_max_pending_handshakes(max_pending_handshakes: i64);
        set_max_peers_per_prefix(max_peers_per_prefix: i64);
        set_exempt_addresses(exempt_addresses: PackedStringArray);
        set_session_resumption(session_resumption: bool);
        set_ticket_keys(ticket_keys: Array<PackedByteArray>);
        set_key_log_path(key_log_path: GString);
    }

    #[func]
    fn set_mtu(&mut self, value: i64) {
        let is_edited = Engine::singleton().is_editor_hint();
        self.mtu = if is_edited { stepped_mtu(self.mtu, value) } else { value };
        self.base_mut().emit_changed();
    }

    /// The same as [param tls_options] say, to be refined. Returns null, with an error on the console,
    /// for what cannot be expressed: options of [method TLSOptions.client] with another common name
    /// (pass it as host name to [code]connect_with_options()[/code]), and options of
    /// [method TLSOptions.client_unsafe] with a certificate (set [member trusted_ca] and pass no host
    /// name).
    #[func]
    fn from_tls_options(tls_options: Option<Gd<TlsOptions>>) -> Option<Gd<Self>> {
        let convert = || {
            let given = tls_options.ok_or("the TLS options are null")?;
            let mut made = Self::new_gd();
            let mut options = made.bind_mut();
            if given.is_server() {
                options.private_key = given.get_private_key();
                options.certificate = given.get_own_certificate();
            } else if given.is_unsafe_client() {
                if given.get_trusted_ca_chain().is_some() {
                    return Err(
                        "a chain that is verified without a name is what trusted_ca means \
                                when no host name is passed to connect_with_options()",
                    );
                }
                options.verify_mode = VerifyMode::None;
            } else {
                if !given.get_common_name_override().is_empty() {
                    return Err(
                        "the name that the certificate has to be for is what is passed to \
                                connect_with_options()",
                    );
                }
                options.trusted_ca = given.get_trusted_ca_chain();
            }
            drop(options);
            Ok(made)
        };
        match convert() {
            Ok(made) => Some(made),
            Err(why) => {
                log::error!("{}.from_tls_options: {why}.", Self::class_id());
                None
            }
        }
    }
}

class_enum! {
    /// How the other side's certificate is treated.
    VerifyMode of DtlsOptions::class_id() => {
        /// [constant VERIFY_REQUIRED] for a client, unless it has a pre-shared key; [constant
        /// VERIFY_NONE] for a server.
        VERIFY_DEFAULT => Default = 0,
        /// A client takes whatever certificate a server has: anyone on the way can read and change
        /// everything, unless [member pinned_sha256] is set. A server asks its clients for none.
        VERIFY_NONE => None = 1,
        /// A server asks its clients for a certificate. They need not have one, but one that they show
        /// has to be good.
        VERIFY_OPTIONAL => Optional = 2,
        /// A client verifies the server's certificate. A server lets no client in without a good
        /// certificate.
        VERIFY_REQUIRED => Required = 3,
    }
}

impl godot::register::property::SimpleVar for VerifyMode {}
impl godot::register::property::Export for VerifyMode {}

class_enums!(DtlsOptions: VerifyMode);

/// The MTU that is meant by a step from `before` to `value` in the Inspector. Its ranges have no gaps, but
/// between 0 and the least that is possible there is no MTU.
fn stepped_mtu(before: i64, value: i64) -> i64 {
    let least = i64::from(*Limits::MTU.start());
    match value {
        1.. if value < least && before < least => least,
        1.. if value < least => 0,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inspector_steps_over_what_is_no_mtu() {
        assert_eq!(stepped_mtu(0, 1), 508, "up from the project setting's");
        assert_eq!(stepped_mtu(508, 507), 0, "down again");
        assert_eq!(stepped_mtu(0, 300), 508, "typed");
        for value in [0, 508, 1200, 8972] {
            assert_eq!(stepped_mtu(0, value), value);
            assert_eq!(stepped_mtu(1400, value), value);
        }
    }

    #[test]
    fn the_inspector_shows_what_a_constant_means() {
        use godot::meta::GodotConvert as _;
        let godot::meta::shape::GodotShape::Enum { enumerators, .. } = VerifyMode::godot_shape()
        else {
            panic!("it is an enum");
        };
        let names: Vec<_> = enumerators.iter().map(|shown| shown.name.to_string()).collect();
        assert_eq!(names, ["Default", "None", "Optional", "Required"]);
    }
}
