//! What an X509Certificate of the engine holds.
//!
//! The engine gives a chain back wrong: `X509Certificate.save()` and `save_to_string()` write the
//! first certificate once for every certificate of the chain (`cert.raw` inside the loop over `crt`
//! in `modules/mbedtls/crypto_mbedtls.cpp`). So a chain is read again from the file that the resource
//! was loaded from, and where there is no such file it is refused, since half a chain helps nobody.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use dtls_core::{Certificates, ConfigError};
use godot::classes::{FileAccess, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, NewGd};
use lru::LruCache;
use tempfile::TempDir;

use crate::error::CredentialError;

/// An engine object as text, by which it can be told from others, and the file that has the rest of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Saved {
    /// PEM, as the engine writes it.
    text: Vec<u8>,
    /// Where it was loaded from, or nothing.
    path: String,
    /// What is there now, or nothing if that is just what the text is. Of two bundles that begin with the
    /// same certificate, the text may be the same.
    file: Vec<u8>,
    /// What it is called in errors.
    what: &'static str,
}

impl Saved {
    pub(crate) fn new(
        certificate: &Gd<X509Certificate>,
        what: &'static str,
    ) -> Result<Self, CredentialError> {
        let text = text_of(certificate, what)?;
        let path = certificate.get_path().to_string();
        let file = if path.is_empty() { Vec::new() } else { beyond(&text, &path) };
        Ok(Self { text, path, file, what })
    }

    /// Every certificate that is in it, or an error.
    pub(crate) fn certificates(&self) -> Result<Certificates, CredentialError> {
        let Self { text, path, file, what } = self;
        let given = Certificates::parse(text)?;
        let count = given.len();
        if !given.are_copies() {
            return Ok(given);
        }
        if path.is_empty() {
            return if count == 1 {
                Ok(given)
            } else {
                Err(CredentialError::ChainLost { what, count })
            };
        }
        if file.is_empty() && count == 1 {
            return Ok(given);
        }
        // The engine leaves out what it cannot read, such as Ed25519 certificates and a block that was
        // cut off, so the file can have more than the object.
        match Certificates::parse(file) {
            Ok(all) if !all.starts_like(&given) && count == 1 => Ok(given),
            Ok(all) if !all.starts_like(&given) => {
                Err(CredentialError::Changed { what, path: path.clone() })
            }
            Ok(all) if all.len() > 1 && all.are_copies() => {
                Err(CredentialError::Copies { what, path: path.clone() })
            }
            Ok(all) if all.len() >= count && !is_cut_off(file) => Ok(all),
            // Not a file of certificates: a .tres, or a file that is gone.
            Err(ConfigError::NoCertificate) if count == 1 => Ok(given),
            _ => Err(CredentialError::Incomplete { what, path: path.clone() }),
        }
    }
}

/// The first certificate in an engine object, which is what the engine gives back.
pub(crate) fn first_of(
    certificate: &Gd<X509Certificate>,
    what: &'static str,
) -> Result<Certificates, CredentialError> {
    Ok(Certificates::parse(&text_of(certificate, what)?)?)
}

/// The engine object that holds the certificate `pem`.
pub(crate) fn loaded(pem: &str) -> Result<Gd<X509Certificate>, Error> {
    let mut certificate = X509Certificate::new_gd();
    match certificate.load_from_string(pem) {
        Error::OK => Ok(certificate),
        error => Err(error),
    }
}

fn text_of(
    certificate: &Gd<X509Certificate>,
    what: &'static str,
) -> Result<Vec<u8>, CredentialError> {
    let text = save(certificate, what)?;
    if is_empty(&text) {
        return Err(CredentialError::Empty(what));
    }
    Ok(text)
}

/// How long a file that had nothing more than the engine's object is taken to be so still. Reading it
/// takes a sixth of `connect_to_peer`. It can have got something that the engine does not read, such as an
/// Ed25519 certificate; until then that is not trusted.
const LOOKED_AT: Duration = Duration::from_secs(1);
const MOST_LOOKED_AT: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// What the file at `path` has, or nothing if that is just the one certificate in `text`.
fn beyond(text: &[u8], path: &str) -> Vec<u8> {
    type Times = LruCache<(String, Vec<u8>), Instant>;
    static SAME: LazyLock<Mutex<Times>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_LOOKED_AT)));

    let same = || SAME.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (path.to_owned(), text.to_owned());
    if same().get(&key).is_some_and(|at| at.elapsed() < LOOKED_AT) {
        return Vec::new();
    }
    let file = FileAccess::get_file_as_bytes(path).to_vec();
    let in_file = Certificates::parse(&file);
    let is_same = Certificates::parse(text).is_ok_and(|text| {
        in_file.is_ok_and(|file| file.len() == 1 && text.len() == 1 && file.starts_like(&text))
    });
    if !is_same || is_cut_off(&file) {
        same().pop(&key);
        return file;
    }
    same().put(key, Instant::now());
    Vec::new()
}

/// Whether a certificate in `pem` begins and does not end.
fn is_cut_off(pem: &[u8]) -> bool {
    let count = |line: &[u8]| pem.windows(line.len()).filter(|window| *window == line).count();
    count(b"-----BEGIN CERTIFICATE-----") != count(b"-----END CERTIFICATE-----")
}

/// Whether there is nothing between the lines that begin and end a certificate, which is what the
/// engine writes for an X509Certificate that was never loaded.
fn is_empty(pem: &[u8]) -> bool {
    let mut lines = pem.split(|byte| *byte == b'\n');
    lines.all(|line| line.trim_ascii().is_empty() || line.starts_with(b"-----"))
}

/// A folder to save certificates in, made when the first is, and used again until [`clean_up`]. It is
/// taken out while it is in use: the engine may print something then, and whoever listens to that may
/// come here again.
static SCRATCH: Mutex<Option<TempDir>> = Mutex::new(None);

fn scratch() -> MutexGuard<'static, Option<TempDir>> {
    SCRATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The PEM text of an engine object, by way of a scratch file: `save_to_string()` leaves a NUL in the
/// text, over which the engine prints an error.
fn save(certificate: &Gd<X509Certificate>, what: &'static str) -> Result<Vec<u8>, CredentialError> {
    let unreadable = |why: String| CredentialError::Unreadable(what, why);
    let failed = |error: io::Error| unreadable(error.to_string());
    let used_before = scratch().take();
    // Whoever tidies the temporary folder up may have taken it away.
    let folder = match used_before.filter(|folder| folder.path().exists()) {
        Some(folder) => folder,
        None => make_folder().map_err(failed)?,
    };
    let path = folder.path().join("certificate.crt");
    let text = path
        .to_str()
        .ok_or_else(|| unreadable("the path of the temporary folder is not UTF-8".to_owned()))?;
    match certificate.clone().save(text) {
        Error::OK => {}
        error => return Err(unreadable(format!("{error:?}"))),
    }
    let saved = fs::read(&path).map_err(failed);
    // Some file systems write a file to the disk when it is emptied and filled again.
    fs::remove_file(&path).map_err(failed)?;
    *scratch() = Some(folder);
    saved
}

/// In memory if there is such a place: a disk takes up to some milliseconds.
fn make_folder() -> io::Result<TempDir> {
    const MEMORY: &str = "/dev/shm";
    let in_memory =
        if cfg!(target_os = "linux") { Some(tempfile::tempdir_in(MEMORY)) } else { None };
    match in_memory {
        Some(Ok(folder)) => Ok(folder),
        _ => tempfile::tempdir(),
    }
}

/// Removes the folder.
pub(crate) fn clean_up() {
    *scratch() = None;
}
