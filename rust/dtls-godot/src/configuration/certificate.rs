//! What an X509Certificate of the engine holds.
//!
//! The engine gives a chain back wrong: `X509Certificate.save()` and `save_to_string()` write the
//! first certificate once for every certificate of the chain (`cert.raw` inside the loop over `crt`
//! in `modules/mbedtls/crypto_mbedtls.cpp`). So a chain is read again from the file that the resource
//! was loaded from, and where there is no such file it is refused, since half a chain helps nobody.
//!
//! Of a certificate with more than 4,096 bytes of PEM the engine gives nothing back. It is read from its
//! file, too; or it was made here and is remembered.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dtls_core::{Certificates, ConfigError};
use godot::classes::{Engine, FileAccess, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, InstanceId, NewGd, Singleton};
use lru::LruCache;

use super::error::CredentialError;

/// Bytes of PEM, the NUL behind it included, that the engine has room for when it gives a certificate back.
const LARGEST: usize = 4096;

/// An X509Certificate as text, by which it can be told from others, and the file that has the rest of it.
#[derive(Debug, Hash)]
pub(crate) struct EngineCertificate {
    /// PEM, as the engine writes it. Empty if that is too much for it.
    text: String,
    /// The path that the object was loaded from, or nothing.
    path: String,
    /// What that file has now, or nothing if it is the one certificate of the text. Two bundles that begin
    /// with the same certificate may have the same text.
    file: Vec<u8>,
    /// What it is called in errors.
    what: &'static str,
}

impl EngineCertificate {
    pub(crate) fn new(
        certificate: &Gd<X509Certificate>,
        what: &'static str,
    ) -> Result<Self, CredentialError> {
        let mut text = text_of(certificate);
        if text.is_empty() {
            let made = made().get(&certificate.instance_id()).cloned();
            text = made.unwrap_or_default();
        } else if is_blank(&text) {
            return Err(CredentialError::Empty(what));
        }
        let path = certificate.get_path().to_string();
        let file = match (text.is_empty(), path.is_empty()) {
            (_, true) => Vec::new(),
            (true, false) => FileAccess::get_file_as_bytes(&path).to_vec(),
            (false, false) => beyond(&text, &path),
        };
        Ok(Self { text, path, file, what })
    }

    /// What the engine gives back, or nothing if that is more than the engine writes.
    fn given(&self) -> Result<Option<Certificates>, CredentialError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        Ok(Some(Certificates::parse(self.text.as_bytes())?))
    }

    /// Every certificate that is in it, or an error.
    pub(crate) fn certificates(&self) -> Result<Certificates, CredentialError> {
        let Self { path, file, what, .. } = self;
        let given = self.given()?;
        let count = given.as_ref().map_or(0, Certificates::len);
        let in_file = Certificates::parse(file);
        // The engine leaves out what it cannot read, such as Ed25519 certificates and a block that was
        // cut off, so the file can have more than the object.
        let is_of_file = in_file.as_ref().is_ok_and(|all| match &given {
            Some(given) => all.starts_like(given) && all.len() >= count,
            None => all.first_pem().len() >= LARGEST,
        });
        match (given, in_file) {
            // Different certificates: a chain that the engine has given back right.
            (Some(given), _) if !are_copies(&given) => Ok(given),
            (Some(_), _) if path.is_empty() && count > 1 => {
                Err(CredentialError::ChainLost { what, count })
            }
            // Not a file of certificates: a .tres, or a file that is gone.
            (Some(given), Err(ConfigError::NoCertificate)) if count == 1 => Ok(given),
            // A file that has changed: one certificate is whole without it.
            (Some(given), Ok(_)) if count == 1 && !is_of_file => Ok(given),
            (None, Err(ConfigError::NoCertificate)) => {
                let or_empty = if tells_empty() { "" } else { "is empty, or " };
                Err(CredentialError::TooLarge { what, or_empty })
            }
            (_, Ok(_)) if !is_of_file => Err(CredentialError::Changed { what, path: path.clone() }),
            (_, Ok(all)) if all.len() > 1 && are_copies(&all) => {
                Err(CredentialError::Copies { what, path: path.clone() })
            }
            (_, Ok(all)) => Ok(all),
            (_, Err(why)) => {
                let why = CredentialError::from(why).to_string();
                Err(CredentialError::Incomplete { what, path: path.clone(), why })
            }
        }
    }

    /// The first certificate that is in it, which is what the engine gives back if it can.
    fn first(&self) -> Result<Certificates, CredentialError> {
        match self.given()? {
            Some(given) => Ok(given),
            None => self.certificates(),
        }
    }
}

/// Whether all of them are the same certificate, which is what the engine gives back for a chain.
fn are_copies(all: &Certificates) -> bool {
    all.to_pem() == all.first_pem().repeat(all.len())
}

/// The first certificate in an engine object.
pub(crate) fn first_of(
    certificate: &Gd<X509Certificate>,
    what: &'static str,
) -> Result<Certificates, CredentialError> {
    EngineCertificate::new(certificate, what)?.first()
}

/// How long a file that had nothing more than the engine's object is taken to be so still. Reading it
/// takes a sixth of `connect_to_peer`. It can have got something that the engine does not read, such as an
/// Ed25519 certificate; until then that is not trusted.
const LOOKED_AT: Duration = Duration::from_secs(1);
const MOST_LOOKED_AT: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// What the file at `path` has, or nothing if that is just the one certificate in `text`.
fn beyond(text: &str, path: &str) -> Vec<u8> {
    type Times = LruCache<(String, String), Instant>;
    static SAME: LazyLock<Mutex<Times>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_LOOKED_AT)));

    let same = || SAME.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (path.to_owned(), text.to_owned());
    if same().get(&key).is_some_and(|at| at.elapsed() < LOOKED_AT) {
        return Vec::new();
    }
    let file = FileAccess::get_file_as_bytes(path).to_vec();
    let in_file = Certificates::parse(&file);
    let is_same = Certificates::parse(text.as_bytes()).is_ok_and(|text| {
        in_file.is_ok_and(|file| file.len() == 1 && text.len() == 1 && file.starts_like(&text))
    });
    if !is_same {
        same().pop(&key);
        return file;
    }
    same().put(key, Instant::now());
    Vec::new()
}

/// Whether there is nothing between the lines that begin and end a certificate, which is what the
/// engine writes for an X509Certificate that was never loaded.
fn is_blank(pem: &str) -> bool {
    let is_nothing = |c: char| c.is_whitespace() || c == '\0' || c == '\u{fffd}';
    pem.lines().all(|line| line.starts_with("-----") || line.chars().all(is_nothing))
}

/// The PEM text of an engine object, or nothing if that is more than the engine writes.
///
/// Without a file: on some systems there is no folder to write to. `save_to_string()` leaves a NUL behind
/// each certificate, over which the engine prints an error.
fn text_of(certificate: &Gd<X509Certificate>) -> String {
    let _quiet = Quiet::new();
    certificate.clone().save_to_string().to_string()
}

/// Whether the engine writes the two lines around nothing for an object that has nothing. Where the NUL
/// does not count in a text, which is up to its version, that is too short for it, and it writes nothing.
fn tells_empty() -> bool {
    static TELLS: OnceLock<bool> = OnceLock::new();
    *TELLS.get_or_init(|| !text_of(&X509Certificate::new_gd()).is_empty())
}

/// As long as one exists, the engine prints no errors.
struct Quiet;

/// How many there are, and whether errors were printed before the first.
static QUIET: Mutex<(usize, bool)> = Mutex::new((0, true));

impl Quiet {
    fn new() -> Self {
        let mut quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
        let mut engine = Engine::singleton();
        if quiet.0 == 0 {
            quiet.1 = engine.is_printing_error_messages();
            engine.set_print_error_messages(false);
        }
        quiet.0 += 1;
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let mut quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.0 -= 1;
        if quiet.0 == 0 {
            Engine::singleton().set_print_error_messages(quiet.1);
        }
    }
}

/// What is remembered of the certificates that were made here and are too large for the engine to give
/// back, by their objects. Nothing replaces them there: the engine adds what is loaded into an object that
/// has something.
static MADE: LazyLock<Mutex<LruCache<InstanceId, String>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(MOST_MADE)));
const MOST_MADE: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

fn made() -> MutexGuard<'static, LruCache<InstanceId, String>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine object that holds the certificate `pem`.
pub(crate) fn loaded(pem: &str) -> Result<Gd<X509Certificate>, Error> {
    let mut certificate = X509Certificate::new_gd();
    match certificate.load_from_string(pem) {
        Error::OK => {}
        error => return Err(error),
    }
    if pem.len() >= LARGEST {
        let mut made = made();
        let is_gone = |(id, _): &(&InstanceId, &String)| !id.lookup_validity();
        let gone: Vec<InstanceId> = made.iter().filter(is_gone).map(|(id, _)| *id).collect();
        for id in gone {
            made.pop(&id);
        }
        made.put(certificate.instance_id(), pem.to_owned());
    }
    Ok(certificate)
}
