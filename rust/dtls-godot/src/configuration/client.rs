//! A client's configuration. It is kept for the client's next connection under a digest of its values. There
//! are secrets among them, so the values are not kept.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, OnceLock};

use dtls_core::{
    Certificates, ClientConfig, ConfigError, Limits, PeerName, Psk, Role, TrustAnchors,
    Verification, keyed_digest,
};
use godot::builtin::GString;
use godot::classes::{FileAccess, Os, ProjectSettings, X509Certificate};
use godot::obj::{Gd, Singleton};
use lru::LruCache;
use parking_lot::Mutex;

use super::certificate::EngineCertificate;
use super::error::{CredentialError, of};
use super::parts::{self, IdentityParts, PskParts, Source};
use crate::engine::settings;

/// What a certificate to trust is called in errors.
const TRUSTED: &str = "certificate to trust";

/// Which certificates of servers a client trusts.
#[derive(Hash)]
pub(crate) enum Trusted {
    /// Any, or those that the pins name.
    Nothing,
    /// These, and those that these have issued.
    Given(Vec<Source>),
    /// Those in the project's bundle: its path, and what is in it.
    Bundle(String, Vec<u8>),
    /// Those that the system trusts.
    System,
}

impl Trusted {
    pub(crate) fn certificate(certificate: &Gd<X509Certificate>) -> Result<Self, CredentialError> {
        Ok(Self::Given(vec![Source::Resource(EngineCertificate::new(certificate, TRUSTED)?)]))
    }
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
            limits: settings::limits()?,
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
            parts::warn_of(&identity, Role::Client, "");
        }
        if let Some(alpn) = parts::alpn(&self.alpn)? {
            config = config.with_alpn(alpn)?;
        }
        if let Some(suites) = parts::cipher_suites(&self.suites)? {
            config = of("cipher_suites", config.with_cipher_suites(suites))?;
        }
        if let Some(log) = parts::key_log(&self.key_log)? {
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
            Trusted::Given(sources) => parts::anchors_of(sources)?,
            Trusted::Bundle(path, text) => Some(bundle(path, text)?),
            Trusted::System => Some(system_anchors()?),
        };
        let verifies_name = self.verify_name && anchors.is_some();
        let trust = parts::trust(anchors, &self.pins, &self.crl)?;
        Ok(match (trust, self.name.clone().filter(|_| verifies_name)) {
            (None, _) => Verification::Nothing,
            (Some(trust), None) => Verification::Chain(trust),
            (Some(trust), Some(name)) => Verification::ChainAndName(trust, name),
        })
    }
}

/// How many configurations of clients are kept.
const MOST_CONFIGS: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// The configuration for `parts`: the one that was made for equal parts before, if it is still kept. So the
/// certificates are read once, and the next connection can resume the session of the last.
pub(crate) fn client_config(parts: &ClientParts) -> Result<ClientConfig, CredentialError> {
    static CONFIGS: LazyLock<Mutex<LruCache<[u8; 32], ClientConfig>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_CONFIGS)));

    // Not locked while a configuration is made: the engine may print something then, and a script that
    // listens to the console may connect a client of its own.
    let configs = || CONFIGS.lock();
    let digest = keyed_digest(parts)?;
    if let Some(config) = configs().get(&digest) {
        return Ok(config.clone());
    }
    let config = parts.build()?;
    configs().put(digest, config.clone());
    Ok(config)
}

/// What a client trusts that was given nothing to trust: the project's bundle, or else the system.
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
    // Not inside the cell, which must not be entered twice while it is filled: the engine may print
    // something, and a script that listens to the console may connect. Two threads read the same.
    let bundle = Os::singleton().get_system_ca_certificates().to_string();
    let (anchors, unreadable) =
        TrustAnchors::from_bundle(&bundle).map_err(|_| CredentialError::NoSystemTrust)?;
    let anchors = SYSTEM.get_or_init(|| anchors).clone();
    if unreadable > 0 {
        log::info!("{unreadable} of the system's certificates could not be read");
    }
    Ok(anchors)
}
