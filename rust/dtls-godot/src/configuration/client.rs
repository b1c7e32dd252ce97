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
use super::error::{CredentialError, of, unusable};
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
    /// Whether the certificate has to be for the name that the client connects to.
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
    pub(crate) fn new(trusted: Trusted, verify_name: bool) -> Result<Self, CredentialError> {
        Ok(Self {
            trusted,
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
        let mut builder = if let Some(PskParts { identity, key }) = &self.psk {
            let psk = Psk::new(identity, key);
            let property = match &psk {
                Err(ConfigError::BadPskIdentity { .. }) => "psk_identity",
                _ => "psk_key",
            };
            ClientConfig::with_psk(of(property, psk)?)
        } else {
            ClientConfig::with_verification(self.verification()?)
        };
        let identity = self.identity.as_ref().map(IdentityParts::build).transpose()?;
        if let Some(identity) = &identity {
            builder = builder.with_identity(identity.clone());
        }
        if let Some(alpn) = parts::alpn(&self.alpn)? {
            builder = builder.with_alpn(alpn);
        }
        if let Some(suites) = parts::cipher_suites(&self.suites)? {
            builder = builder.with_cipher_suites(suites);
        }
        if let Some(log) = parts::key_log(&self.key_log)? {
            builder = builder.with_key_log(log);
        }
        let built = builder.with_resumption(self.resumption).with_limits(self.limits).build();
        let config = built.map_err(|error| match (&error, &self.identity) {
            (ConfigError::NoCipherSuite(_), _) => unusable("cipher_suites", error.to_string()),
            (ConfigError::OpenSsl(_) | ConfigError::NameWithoutAnchors, _) => error.into(),
            // What else was given has been read one by one before.
            (_, Some(identity)) => unusable(identity.key_property, error.to_string()),
            (_, None) => error.into(),
        })?;
        if let Some(identity) = &identity {
            parts::warn_of(identity, Role::Client, "");
        }
        Ok(config)
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
        Ok(match (trust, verifies_name) {
            (None, _) => Verification::Nothing,
            (Some(trust), false) => Verification::Chain(trust),
            (Some(trust), true) => Verification::ChainAndName(trust),
        })
    }
}

/// A client's configuration, and the name of the server that it connects to.
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
    pub(crate) server_name: Option<PeerName>,
}

/// How many configurations of clients are kept.
const MOST_CONFIGS: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// The configuration for `parts`: the one that was made for equal parts before, if it is still kept. So the
/// certificates are read once, and the next connection to a server can resume the session of the last.
pub(crate) fn client_config(
    parts: &ClientParts,
    server_name: Option<PeerName>,
) -> Result<Client, CredentialError> {
    static CONFIGS: LazyLock<Mutex<LruCache<[u8; 32], ClientConfig>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_CONFIGS)));

    // Not locked while a configuration is made: the engine may print something then, and a script that
    // listens to the console may connect a client of its own.
    let configs = || CONFIGS.lock();
    let digest = keyed_digest(parts)?;
    let kept = configs().get(&digest).cloned();
    let config = match kept {
        Some(config) => config,
        None => {
            let config = parts.build()?;
            configs().put(digest, config.clone());
            config
        }
    };
    Ok(Client { config, server_name })
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
    anchors.map_err(|why| {
        let why = CredentialError::from(why).to_string();
        CredentialError::BadBundle(path.to_owned(), why)
    })
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
