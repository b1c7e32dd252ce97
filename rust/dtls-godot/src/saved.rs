//! What an X509Certificate of the engine holds.
//!
//! The engine gives a chain back wrong: `X509Certificate.save()` and `save_to_string()` write the
//! first certificate once for every certificate of the chain (`cert.raw` inside the loop over `crt`
//! in `modules/mbedtls/crypto_mbedtls.cpp`). So a chain is read again from the file that the resource
//! was loaded from, and where there is no such file it is refused, since half a chain helps nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use dtls_core::{Certificates, ConfigError};
use godot::classes::{FileAccess, X509Certificate};
use godot::global::Error;
use godot::obj::Gd;
use tempfile::TempDir;

use crate::error::CredentialError;

/// An engine object as text, by which it can be told from others, and the file that has the rest of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Saved {
    /// PEM, as the engine writes it.
    text: Vec<u8>,
    /// Where it was loaded from, or nothing.
    path: String,
    /// What is there now. Of two bundles that begin with the same certificate, the text may be the same.
    file: Vec<u8>,
    /// What it is called in errors.
    what: &'static str,
}

impl Saved {
    pub(crate) fn new(
        certificate: &Gd<X509Certificate>,
        what: &'static str,
    ) -> Result<Self, CredentialError> {
        let text = save(certificate, what)?;
        if is_empty(&text) {
            return Err(CredentialError::Empty(what));
        }
        let path = certificate.get_path();
        let file = if path.is_empty() {
            Vec::new()
        } else {
            FileAccess::get_file_as_bytes(&path).to_vec()
        };
        Ok(Self { text, path: path.to_string(), file, what })
    }

    /// The first certificate that is in it, which is what the engine gives back.
    pub(crate) fn first(&self) -> Result<Certificates, CredentialError> {
        Ok(Certificates::parse(&self.text)?)
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
