//! `DTLSCrypto`.

use dtls_core::Certificates;
use dtls_issuer::{Authority, Days, IssueError, PublicKey, SigningKey, Subject};
use godot::builtin::{Array, GString, PackedStringArray};
use godot::classes::{CryptoKey, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, GodotClass, NewGd};
use godot::register::godot_api;

use crate::configuration::certificate::{self, EngineCertificate};
use crate::configuration::error::CredentialError;
use crate::configuration::parts;
use crate::engine::names::class;
use crate::gdext_private::class_enum::{class_enum, class_enums};

class! { crypto,

/// Makes keys and certificates. All methods are static.
///
/// For a server without an authority, one certificate is enough: the server shows it, and the clients
/// trust exactly that one.
///
/// ```gdscript
/// var key := DTLSCrypto.generate_key()
/// var names := PackedStringArray(["localhost", "127.0.0.1"])
/// var certificate := DTLSCrypto.generate_self_signed_certificate(key, names)
/// if key.save("user://server.key") != OK or certificate.save("user://server.crt") != OK:
/// 	push_error("Key and certificate cannot be saved.")
/// ```
///
/// With an authority of your own, clients trust the authority, and every server that it has issued a
/// certificate for; a server can demand such a certificate of its clients, too:
///
/// ```gdscript
/// var ca_key := DTLSCrypto.generate_key()
/// var ca := DTLSCrypto.generate_ca(ca_key, "My Game CA")
/// var player_key := DTLSCrypto.generate_key()
/// var player := DTLSCrypto.issue_certificate(
/// 	ca_key, ca, player_key, ["player-17"], DTLSCrypto.USAGE_CLIENT
/// )
/// ```
///
/// Certificates are valid from a day before they were made on, since clocks differ. What cannot be made is
/// null (or empty), with an error on the console that says why.
///
/// In the editor, Project > Tools > "DTLS: generate certificate..." does the first of these, if the plugin
/// is enabled in the project settings.
pub(crate) struct DtlsCrypto {}}

/// Why something cannot be made.
#[derive(Debug, thiserror::Error)]
enum CryptoError {
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("the key is empty")]
    EmptyKey,
    #[error("a client has one name, which is what a server knows it by; {0} were given")]
    NotOneName(usize),
    #[error("the engine cannot read what was made: {0:?}")]
    Engine(Error),
}

#[godot_api]
impl DtlsCrypto {
    /// Makes a private key of a [enum KeyKind].
    ///
    /// Keep it secret: with it, another program can pretend to be the server.
    #[func]
    fn generate_key(#[opt(default = KeyKind::P256)] kind: KeyKind) -> Option<Gd<CryptoKey>> {
        let make = || loaded_key(&SigningKey::generate(kind.into())?.to_pem()?);
        or_report("generate_key", make())
    }

    /// Makes a certificate for a server, which the server's own [param key] signs. Clients trust it by
    /// having it, for instance as [code]valid_certificate[/code] of
    /// [code]PacketPeerDTLSOpenSSL.connect_to_peer()[/code].
    ///
    /// [param names] are what clients connect to: host names, IP addresses, and wildcards such as
    /// [code]*.example.com[/code]; at least one. With more than some 95 the engine cannot save the
    /// certificate: write [method certificate_to_pem] to the file. It is valid for [param days], 1 to
    /// 3,650.
    #[func]
    fn generate_self_signed_certificate(
        key: Option<Gd<CryptoKey>>,
        names: PackedStringArray,
        #[opt(default = 365)] days: i64,
    ) -> Option<Gd<X509Certificate>> {
        let make = || {
            let subject = subject(&names, Usage::Server)?;
            loaded_certificate(&signing_key(key)?.self_signed(&subject, Days::new(days)?)?)
        };
        or_report("generate_self_signed_certificate", make())
    }

    /// Makes the certificate of an authority, which [param key] signs itself. [method issue_certificate]
    /// then makes certificates for servers and clients; a side that trusts the authority trusts all of these.
    /// It issues no further authorities.
    ///
    /// [param common_name] is any text of 1 to 64 characters. It is valid for [param days], 1 to 3,650.
    #[func]
    fn generate_ca(
        key: Option<Gd<CryptoKey>>,
        common_name: GString,
        #[opt(default = 3650)] days: i64,
    ) -> Option<Gd<X509Certificate>> {
        let make = || {
            let pem = signing_key(key)?.authority(&common_name.to_string(), Days::new(days)?)?;
            loaded_certificate(&pem)
        };
        or_report("generate_ca", make())
    }

    /// Makes a certificate for [param key] that the authority signs. The public half of the key is
    /// enough, so that a player or a server can keep the private one:
    /// [code]player_key.save_to_string(true)[/code] is what to send, and
    /// [code]load_from_string(text, true)[/code] reads it.
    ///
    /// With [constant USAGE_SERVER], [param names] are host names and IP addresses as in
    /// [method generate_self_signed_certificate]. With [constant USAGE_CLIENT], it is one name, any text of
    /// 1 to 64 characters, which becomes the common name. A client's certificate is refused when a server
    /// shows it, and the other way round.
    ///
    /// It is valid for [param days], 1 to 3,650, which must not end after the authority's own certificate
    /// does.
    #[func]
    fn issue_certificate(
        ca_key: Option<Gd<CryptoKey>>,
        ca_certificate: Option<Gd<X509Certificate>>,
        key: Option<Gd<CryptoKey>>,
        names: PackedStringArray,
        usage: Usage,
        #[opt(default = 365)] days: i64,
    ) -> Option<Gd<X509Certificate>> {
        let make = || {
            let authority = authority(ca_key, ca_certificate)?;
            let subject = subject(&names, usage)?;
            let pem = authority.issue(&public_key(key)?, &subject, Days::new(days)?)?;
            loaded_certificate(&pem)
        };
        or_report("issue_certificate", make())
    }

    /// Makes a list of certificates that the authority takes back, as PEM text. It replaces all lists
    /// before it, so [param revoked] has every certificate that is to be refused; it can be empty. An array in a
    /// variable has to be typed: [code]var revoked: Array[X509Certificate][/code].
    ///
    /// A side that uses a list refuses every certificate of the authority once the list has expired, which it
    /// does after [param days], 1 to 3,650: make a new one before.
    #[func]
    fn issue_revocation_list(
        ca_key: Option<Gd<CryptoKey>>,
        ca_certificate: Option<Gd<X509Certificate>>,
        revoked: Array<Option<Gd<X509Certificate>>>,
        #[opt(default = 30)] days: i64,
    ) -> GString {
        let make = || {
            let authority = authority(ca_key, ca_certificate)?;
            let revoked: Vec<_> = revoked.iter_shared().map(first_of).collect::<Result<_, _>>()?;
            Ok(GString::from(&authority.revoke(&revoked, Days::new(days)?)?))
        };
        or_report("issue_revocation_list", make()).unwrap_or_default()
    }

    /// [param certificate] as PEM text, to be written to a file or sent to someone, and all certificates of
    /// the file that it was loaded from as a resource. [method X509Certificate.save] and
    /// [method X509Certificate.save_to_string] fail above 4,096 bytes of text, which is a certificate with
    /// some 95 host names, and write the first certificate of a chain several times.
    #[func]
    fn certificate_to_pem(certificate: Option<Gd<X509Certificate>>) -> GString {
        let make = || {
            let certificate = certificate.ok_or(CredentialError::Null("certificate"))?;
            let all = EngineCertificate::new(&certificate, "certificate")?.certificates()?;
            Ok(GString::from(&all.to_pem()))
        };
        or_report("certificate_to_pem", make()).unwrap_or_default()
    }

    /// The SHA-256 of [param certificate], as [code]sha256:[/code] and 64 hexadecimal digits. Browsers
    /// and [code]openssl x509 -fingerprint -sha256[/code] show the same digits, some in capitals and with
    /// colons between them.
    #[func]
    fn fingerprint(certificate: Option<Gd<X509Certificate>>) -> GString {
        let make = || {
            let digest = first_of(certificate)?.fingerprint().map_err(CredentialError::from)?;
            Ok(GString::from(&digest))
        };
        or_report("fingerprint", make()).unwrap_or_default()
    }

    /// The SHA-256 of the public key in [param certificate], as [code]spki:[/code] and base64 (RFC 7469).
    /// Unlike [method fingerprint] it stays the same when the certificate is renewed for the same key.
    #[func]
    fn spki_pin(certificate: Option<Gd<X509Certificate>>) -> GString {
        let make = || {
            let digest = first_of(certificate)?.spki_pin().map_err(CredentialError::from)?;
            Ok(GString::from(&digest))
        };
        or_report("spki_pin", make()).unwrap_or_default()
    }
}

class_enum! {
    /// What a certificate is good for.
    Usage of DtlsCrypto::class_id() => {
        /// A server may show the certificate, and no client.
        USAGE_SERVER => Server = 0,
        /// A client may show the certificate, and no server.
        USAGE_CLIENT => Client = 1,
    }
}

class_enum! {
    /// What keys can be made: the kinds of `dtls-issuer`, in its order.
    KeyKind of DtlsCrypto::class_id() => {
        /// An ECDSA key on P-256, which is small and fast.
        KEY_P256 => P256 = 0,
        /// An ECDSA key on P-384.
        KEY_P384 => P384 = 1,
        /// An RSA key of 2,048 bits. RSA keys are for peers that take no others, and can take some seconds
        /// to make.
        KEY_RSA_2048 => Rsa2048 = 2,
        /// An RSA key of 3,072 bits.
        KEY_RSA_3072 => Rsa3072 = 3,
        /// An RSA key of 4,096 bits.
        KEY_RSA_4096 => Rsa4096 = 4,
    }
}

impl From<KeyKind> for dtls_issuer::KeyKind {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::P256 => Self::P256,
            KeyKind::P384 => Self::P384,
            KeyKind::Rsa2048 => Self::Rsa2048,
            KeyKind::Rsa3072 => Self::Rsa3072,
            KeyKind::Rsa4096 => Self::Rsa4096,
        }
    }
}

class_enums!(DtlsCrypto: Usage, KeyKind);

fn or_report<T>(method: &str, made: Result<T, CryptoError>) -> Option<T> {
    let report = |error: &CryptoError| log::error!("{}.{method}: {error}.", DtlsCrypto::class_id());
    made.inspect_err(report).ok()
}

fn signing_key(key: Option<Gd<CryptoKey>>) -> Result<SigningKey, CryptoError> {
    Ok(SigningKey::parse(parts::private_key(key)?.as_bytes())?)
}

fn public_key(key: Option<Gd<CryptoKey>>) -> Result<PublicKey, CryptoError> {
    let mut key = key.ok_or(CredentialError::NoKey)?;
    // An empty key prints an error of the engine's here, and there is no way to ask before.
    let pem = key.save_to_string_ex().public_only(true).done().to_string();
    if pem.is_empty() {
        return Err(CryptoError::EmptyKey);
    }
    Ok(PublicKey::parse(pem.as_bytes())?)
}

fn authority(
    key: Option<Gd<CryptoKey>>,
    certificate: Option<Gd<X509Certificate>>,
) -> Result<Authority, CryptoError> {
    Ok(Authority::new(signing_key(key)?, &first_of(certificate)?)?)
}

fn first_of(certificate: Option<Gd<X509Certificate>>) -> Result<Certificates, CryptoError> {
    let certificate = certificate.ok_or(CredentialError::Null("certificate"))?;
    Ok(certificate::first_of(&certificate, "certificate")?)
}

fn subject(names: &PackedStringArray, usage: Usage) -> Result<Subject, CryptoError> {
    let names: Vec<String> = names.as_slice().iter().map(GString::to_string).collect();
    Ok(match (usage, names.as_slice()) {
        (Usage::Server, names) => Subject::server(names.iter().map(String::as_str))?,
        (Usage::Client, [name]) => Subject::client(name)?,
        (Usage::Client, names) => return Err(CryptoError::NotOneName(names.len())),
    })
}

fn loaded_key(pem: &str) -> Result<Gd<CryptoKey>, CryptoError> {
    let mut key = CryptoKey::new_gd();
    match key.load_from_string(pem) {
        Error::OK => Ok(key),
        error => Err(CryptoError::Engine(error)),
    }
}

fn loaded_certificate(pem: &str) -> Result<Gd<X509Certificate>, CryptoError> {
    certificate::loaded(pem).map_err(CryptoError::Engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_of_the_issuer_has_its_constant() {
        let kinds: Vec<dtls_issuer::KeyKind> =
            KeyKind::ALL.iter().map(|(_, kind)| (*kind).into()).collect();
        assert_eq!(kinds, dtls_issuer::KeyKind::ALL);
        for (name, kind) in KeyKind::ALL {
            let of_issuer = dtls_issuer::KeyKind::from(*kind).name().replace("P-", "P");
            assert_eq!(*name, format!("KEY_{}", of_issuer.replace('-', "_")));
        }
    }
}
