//! What configurations are made from, as plain values, and how `dtls-core` takes each.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use dtls_core::{
    Alpn, Certificates, CipherSuites, Identity, KeyLog, PeerName, Pins, RevocationLists, Role,
    Trust, TrustAnchors,
};
use godot::classes::{CryptoKey, Os, ProjectSettings};
use godot::obj::{Gd, Singleton};

use super::certificate::EngineCertificate;
use super::error::{CredentialError, of, unusable};
use crate::engine::settings;

/// Certificates as they are given.
#[derive(Hash)]
pub(crate) enum Source {
    /// An engine object.
    Resource(EngineCertificate),
    /// PEM text, and the property that it is from.
    Pem(&'static str, String),
}

impl Source {
    fn certificates(&self) -> Result<Certificates, CredentialError> {
        match self {
            Self::Resource(certificate) => certificate.certificates(),
            Self::Pem(property, text) => {
                let read = Certificates::parse(text.as_bytes());
                of(property, read.map_err(CredentialError::from))
            }
        }
    }
}

/// The certificates of all sources, in order.
fn certificates_of(sources: &[Source]) -> Result<Option<Certificates>, CredentialError> {
    let mut all: Option<Certificates> = None;
    for source in sources {
        let more = source.certificates()?;
        match &mut all {
            Some(all) => all.append(more),
            None => all = Some(more),
        }
    }
    Ok(all)
}

/// The trust anchors among `sources`, if there are any.
pub(crate) fn anchors_of(sources: &[Source]) -> Result<Option<TrustAnchors>, CredentialError> {
    let Some(certificates) = certificates_of(sources)? else { return Ok(None) };
    Ok(Some(TrustAnchors::new(&certificates)?))
}

/// What the certificates of the other side are verified by, if they are verified.
pub(crate) fn trust(
    anchors: Option<TrustAnchors>,
    pins: &[String],
    crl: &str,
) -> Result<Option<Trust>, CredentialError> {
    let trust = match (anchors, parse_pins(pins)?) {
        (None, None) => return Ok(None),
        (None, Some(pins)) => Trust::pinned(pins),
        (Some(anchors), None) => Trust::from(anchors),
        (Some(anchors), Some(pins)) => Trust::from(anchors).with_pins(pins),
    };
    Ok(Some(match revocation_lists(crl)? {
        Some(lists) => trust.with_revocation_lists(lists),
        None => trust,
    }))
}

/// What an identity is made from.
#[derive(Hash)]
pub(crate) struct IdentityParts {
    /// PEM.
    pub(crate) key: String,
    /// The property that it is from.
    pub(crate) key_property: &'static str,
    pub(crate) passphrase: String,
    /// The own certificate first.
    pub(crate) certificates: Vec<Source>,
}

impl IdentityParts {
    pub(crate) fn build(&self) -> Result<Identity, CredentialError> {
        let certificates = certificates_of(&self.certificates)?;
        let certificates = certificates.ok_or(CredentialError::Null("certificate"))?;
        let (key, passphrase) = (self.key.as_bytes(), self.passphrase.as_bytes());
        let identity = if passphrase.is_empty() {
            Identity::new(key, certificates)
        } else {
            Identity::with_passphrase(key, passphrase, certificates)
        };
        of(self.key_property, identity)
    }
}

/// Warns of what other sides will refuse `identity` for, that of a side with this role. `name` tells it from
/// the other identities of that side.
pub(crate) fn warn_of(identity: &Identity, role: Role, name: &str) {
    for problem in identity.problems(role) {
        log::warn!("The {role}'s own certificate{name} {problem}. Whoever verifies it refuses it.");
    }
}

/// The PEM text of a private key.
pub(crate) fn private_key(key: Option<Gd<CryptoKey>>) -> Result<String, CredentialError> {
    let mut key = key.ok_or(CredentialError::NoKey)?;
    // True for an empty key too; reading its text would print an error of the engine's.
    if key.is_public_only() {
        return Err(CredentialError::NoPrivateKey);
    }
    Ok(key.save_to_string().to_string())
}

/// A client's pre-shared key.
#[derive(Hash)]
pub(crate) struct PskParts {
    pub(crate) identity: String,
    pub(crate) key: Vec<u8>,
}

pub(crate) fn host_name_of(name: &str) -> Result<Option<PeerName>, CredentialError> {
    Ok(if name.is_empty() { None } else { Some(PeerName::parse(name)?) })
}

/// The pins, if there are any.
fn parse_pins(pins: &[String]) -> Result<Option<Pins>, CredentialError> {
    if pins.is_empty() {
        return Ok(None);
    }
    of("pinned_sha256", Pins::parse(pins.iter().map(String::as_str))).map(Some)
}

/// The revocation lists, if there are any.
fn revocation_lists(pem: &str) -> Result<Option<RevocationLists>, CredentialError> {
    if pem.is_empty() {
        return Ok(None);
    }
    of("crl_pem", RevocationLists::parse(pem.as_bytes())).map(Some)
}

/// The protocols, if there are any.
pub(crate) fn alpn(protocols: &[String]) -> Result<Option<Alpn>, CredentialError> {
    if protocols.is_empty() {
        return Ok(None);
    }
    of("alpn_protocols", Alpn::new(protocols.iter().map(String::as_str))).map(Some)
}

/// The cipher suites, if they were chosen.
pub(crate) fn cipher_suites(list: &str) -> Result<Option<CipherSuites>, CredentialError> {
    if list.is_empty() {
        return Ok(None);
    }
    of("cipher_suites", CipherSuites::parse(list)).map(Some)
}

/// The key log at `path`, if there is to be one.
pub(crate) fn key_log(path: &str) -> Result<Option<KeyLog>, CredentialError> {
    if path.is_empty() {
        return Ok(None);
    }
    if !Os::singleton().is_debug_build() && !settings::allows_key_log() {
        let why = format!(
            "it is refused in a release build, because who has that file can read everything; the \
             project setting {} allows it",
            settings::ALLOW_KEY_LOG
        );
        return Err(unusable("key_log_path", why));
    }
    let file = PathBuf::from(ProjectSettings::singleton().globalize_path(path).to_string());
    append(&file, "").map_err(|why| {
        unusable("key_log_path", format!("the file {path} cannot be written ({why})"))
    })?;
    Ok(Some(KeyLog::new(move |line| {
        // Opened each time, since the file may be moved away meanwhile. A line that cannot be written is
        // missing in the file, which its reader sees.
        let _lost = append(&file, &format!("{line}\n"));
    })))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}
