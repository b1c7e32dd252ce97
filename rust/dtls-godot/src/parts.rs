//! What a configuration is made from, as plain values: a client's configuration is kept for its next
//! connection under a digest of them. There are secrets among them, so they are not kept themselves.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use dtls_core::{
    Alpn, Certificates, CipherSuites, ClientConfig, ConfigError, Identity, KeyLog, Limits,
    PeerName, Pins, Psk, RevocationLists, Role, Trust, TrustAnchors, Verification, keyed_digest,
};
use godot::builtin::GString;
use godot::classes::{FileAccess, Os, ProjectSettings, X509Certificate};
use godot::obj::{Gd, Singleton};
use lru::LruCache;
use parking_lot::Mutex;

use crate::error::{CredentialError, of, unusable};
use crate::saved::Saved;
use crate::settings;

/// What a certificate to trust is called in errors.
const TRUSTED: &str = "certificate to trust";

/// Certificates as they are given.
#[derive(Hash)]
pub(crate) enum Source {
    /// An engine object.
    Resource(Saved),
    /// PEM text, and the property that it is from.
    Pem(&'static str, String),
}

impl Source {
    fn certificates(&self) -> Result<Certificates, CredentialError> {
        match self {
            Self::Resource(saved) => saved.certificates(),
            Self::Pem(property, text) => of(property, Certificates::parse(text.as_bytes())),
        }
    }
}

/// All of them, in order.
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

/// What makes a certificate of the other side a good one, if anything has to.
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

/// Whom a client trusts.
#[derive(Hash)]
pub(crate) enum Trusted {
    /// Everyone, or whom a pin names.
    Nothing,
    /// These certificates, and what is behind them.
    Given(Vec<Source>),
    /// What the project has in this file, by its path.
    Bundle(String, Vec<u8>),
    /// What the system trusts.
    System,
}

impl Trusted {
    pub(crate) fn certificate(certificate: &Gd<X509Certificate>) -> Result<Self, CredentialError> {
        Ok(Self::Given(vec![Source::Resource(Saved::new(certificate, TRUSTED)?)]))
    }
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

/// Says what others will have against `identity`, that of a side with this role. `name` tells it from
/// others of that side.
pub(crate) fn warn_of(identity: &Identity, role: Role, name: &str) {
    for problem in identity.problems(role) {
        log::warn!("The {role}'s own certificate{name} {problem}. Whoever verifies it refuses it.");
    }
}

/// A client's pre-shared key.
#[derive(Hash)]
pub(crate) struct PskParts {
    pub(crate) identity: String,
    pub(crate) key: Vec<u8>,
}

/// All that makes one client's configuration differ from another.
#[derive(Hash)]
pub(crate) struct ClientParts {
    pub(crate) trusted: Trusted,
    pub(crate) name: Option<PeerName>,
    pub(crate) verify_name: bool,
    pub(crate) limits: Limits,
    pub(crate) identity: Option<IdentityParts>,
    pub(crate) pins: Vec<String>,
    pub(crate) crl: String,
    pub(crate) psk: Option<PskParts>,
    pub(crate) alpn: Vec<String>,
    pub(crate) suites: String,
    pub(crate) resumption: bool,
    pub(crate) key_log: String,
}

impl ClientParts {
    /// What the documented calls can say.
    pub(crate) fn new(
        trusted: Trusted,
        name: Option<PeerName>,
        verify_name: bool,
    ) -> Result<Self, CredentialError> {
        Ok(Self {
            trusted,
            name,
            verify_name,
            limits: limits()?,
            identity: None,
            pins: Vec::new(),
            crl: String::new(),
            psk: None,
            alpn: Vec::new(),
            suites: String::new(),
            resumption: true,
            key_log: String::new(),
        })
    }

    fn build(&self) -> Result<ClientConfig, CredentialError> {
        let mut config = if let Some(PskParts { identity, key }) = &self.psk {
            let psk = Psk::new(identity, key);
            let property = match &psk {
                Err(ConfigError::BadPskIdentity { .. }) => "psk_identity",
                _ => "psk_key",
            };
            let psk = of(property, psk)?;
            ClientConfig::with_psk(psk, self.name.clone())?
        } else {
            ClientConfig::new(self.verification()?, self.name.clone())?
        };
        if let Some(parts) = &self.identity {
            let identity = parts.build()?;
            config = of(parts.key_property, config.with_identity(&identity))?;
            warn_of(&identity, Role::Client, "");
        }
        if let Some(alpn) = alpn(&self.alpn)? {
            config = config.with_alpn(alpn)?;
        }
        if let Some(suites) = cipher_suites(&self.suites)? {
            config = of("cipher_suites", config.with_cipher_suites(suites))?;
        }
        if let Some(log) = key_log(&self.key_log)? {
            config = config.with_key_log(log)?;
        }
        if !self.resumption {
            config = config.with_resumption(false)?;
        }
        Ok(config.with_limits(self.limits))
    }

    fn verification(&self) -> Result<Verification, CredentialError> {
        let anchors = match &self.trusted {
            Trusted::Nothing => None,
            Trusted::Given(sources) => anchors_of(sources)?,
            Trusted::Bundle(path, text) => Some(bundle(path, text)?),
            Trusted::System => Some(system_anchors()?),
        };
        let verifies_name = self.verify_name && anchors.is_some();
        let trust = trust(anchors, &self.pins, &self.crl)?;
        Ok(match (trust, self.name.clone().filter(|_| verifies_name)) {
            (None, _) => Verification::Nothing,
            (Some(trust), None) => Verification::Chain(trust),
            (Some(trust), Some(name)) => Verification::ChainAndName(trust, name),
        })
    }
}

/// How many configurations of clients are kept.
const MOST_CONFIGS: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// The configuration for `parts`: the one that was made for them before, if it still is there. So its
/// certificates are read once, and its next connection can resume the session of the last.
pub(crate) fn client_config(parts: &ClientParts) -> Result<ClientConfig, CredentialError> {
    static CONFIGS: LazyLock<Mutex<LruCache<[u8; 32], ClientConfig>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_CONFIGS)));

    // Not held while one is made: the engine may print something then, and whoever listens to that may
    // come here again.
    let configs = || CONFIGS.lock();
    let digest = keyed_digest(parts)?;
    if let Some(config) = configs().get(&digest) {
        return Ok(config.clone());
    }
    let config = parts.build()?;
    configs().put(digest, config.clone());
    Ok(config)
}

/// Whom a client trusts that was not told: the project's bundle, or else the system.
pub(crate) fn default_trust() -> Trusted {
    let setting = ProjectSettings::singleton().get_setting(settings::BUNDLE);
    let path = setting.try_to::<GString>().unwrap_or_default();
    if path.is_empty() {
        return Trusted::System;
    }
    Trusted::Bundle(path.to_string(), FileAccess::get_file_as_bytes(&path).to_vec())
}

fn bundle(path: &str, text: &[u8]) -> Result<TrustAnchors, CredentialError> {
    let anchors = Certificates::parse(text).and_then(|all| TrustAnchors::new(&all));
    anchors.map_err(|why| CredentialError::BadBundle(path.to_owned(), why.to_string()))
}

fn system_anchors() -> Result<TrustAnchors, CredentialError> {
    static SYSTEM: OnceLock<TrustAnchors> = OnceLock::new();

    if let Some(anchors) = SYSTEM.get() {
        return Ok(anchors.clone());
    }
    // Not inside the cell, which must not be come back to while it is filled: the engine may print
    // something, and whoever listens to that may connect. What two threads read at once is the same.
    let bundle = Os::singleton().get_system_ca_certificates().to_string();
    let (anchors, unreadable) =
        TrustAnchors::from_bundle(&bundle).map_err(|_| CredentialError::NoSystemTrust)?;
    let anchors = SYSTEM.get_or_init(|| anchors).clone();
    if unreadable > 0 {
        log::info!("{unreadable} of the system's certificates could not be read");
    }
    Ok(anchors)
}

pub(crate) fn limits() -> Result<Limits, CredentialError> {
    settings::limits()
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
        // Opened each time, since whoever reads it may take it away. A line that cannot be written is
        // missed by whoever reads the file.
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
