//! Pre-shared keys (RFC 4279, RFC 5489): a secret that both sides were given beforehand, in place of
//! certificates. A client says by an identity, in the clear, which one it has.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef};
use zeroize::Zeroizing;

use crate::report::error::ConfigError;
use crate::report::failure::Failure;
use crate::report::text::printable;

/// Shortest key, in bytes: what 128 bits need at the least.
const SHORTEST_KEY: usize = 16;
/// Longest key, in bytes (OpenSSL's `PSK_MAX_PSK_LEN`).
const LONGEST_KEY: usize = 512;
/// Longest identity, in bytes. RFC 4279 section 5.3 demands no more of anyone.
const LONGEST_IDENTITY: usize = 128;

type Key = Arc<Zeroizing<Vec<u8>>>;

fn key_of(bytes: &[u8]) -> Key {
    Arc::new(Zeroizing::new(bytes.to_vec()))
}

/// The ex_data index of the key that a server has looked up for one handshake.
fn index() -> Result<Index<Ssl, Key>, ErrorStack> {
    static INDEX: OnceCell<Index<Ssl, Key>> = OnceCell::new();
    INDEX.get_or_try_init(Ssl::new_ex_index).copied()
}

/// The pre-shared keys of a server, by identity. Its copies share them, so they can be changed while
/// the server runs; connections that exist stay.
#[derive(Clone, Default)]
pub struct PskKeys(Arc<Mutex<HashMap<String, Key>>>);

impl PskKeys {
    /// No keys yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key of `identity`, in place of the one that it had. Keys have to be random: an
    /// attacker who has recorded a handshake can try at leisure which one fits. A handshake by the earlier key that is not
    /// over fails; a connection goes on.
    ///
    /// # Errors
    /// When the key does not have 16 to 512 bytes, and when the identity does not have 1 to 128 bytes
    /// or has a NUL in it.
    pub fn set(&self, identity: &str, key: &[u8]) -> Result<(), ConfigError> {
        check(identity, key)?;
        self.lock().insert(identity.to_owned(), key_of(key));
        Ok(())
    }

    /// Takes the key of `identity` away, and tells whether there was one. A handshake that is not over
    /// fails; a connection goes on.
    pub fn remove(&self, identity: &str) -> bool {
        self.lock().remove(identity).is_some()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether the key by which the client of `ssl` has come in still is the one of its identity.
    pub(crate) fn know(&self, ssl: &SslRef) -> bool {
        let used = index().ok().and_then(|index| ssl.ex_data(index));
        used.is_some() && ssl.psk_identity().and_then(|it| self.find(it)).as_ref() == used
    }

    fn find(&self, identity: &[u8]) -> Option<Key> {
        self.lock().get(std::str::from_utf8(identity).ok()?).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskKeys({})", self.len())
    }
}

/// The pre-shared key of a client.
#[derive(Clone)]
pub struct Psk {
    identity: String,
    key: Key,
}

impl Psk {
    /// The key that the server knows under `identity`, which anyone on the way can read.
    ///
    /// # Errors
    /// As in [`PskKeys::set`].
    pub fn new(identity: &str, key: &[u8]) -> Result<Self, ConfigError> {
        check(identity, key)?;
        Ok(Self { identity: identity.to_owned(), key: key_of(key) })
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Psk").field("identity", &self.identity).finish_non_exhaustive()
    }
}

fn check(identity: &str, key: &[u8]) -> Result<(), ConfigError> {
    let refuse = |why| Err(ConfigError::BadPskIdentity { identity: printable(identity), why });
    if identity.is_empty() {
        return refuse("it is empty");
    }
    if identity.len() > LONGEST_IDENTITY {
        return refuse("it has more than 128 bytes");
    }
    if identity.contains('\0') {
        return refuse("it has a NUL in it");
    }
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&key.len()) {
        return Err(ConfigError::BadPskLength(key.len()));
    }
    Ok(())
}

/// Copies `bytes` to the beginning of `room` and tells how many there are, if they fit.
fn write(room: &mut [u8], bytes: &[u8]) -> Option<usize> {
    room.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

/// Lets a server of `context` accept clients that have one of `keys`.
pub(crate) fn accept(context: &mut SslContextBuilder, keys: &PskKeys) -> Result<(), ErrorStack> {
    let (keys, index) = (keys.clone(), index()?);
    // Length 0: OpenSSL sends the alert unknown_psk_identity. rust-openssl's trampolines let a panic
    // through to C.
    context.set_psk_server_callback(move |ssl, identity, room| {
        let find = || {
            let key = keys.find(identity?)?;
            let length = write(room, &key);
            ssl.set_ex_data(index, key);
            length
        };
        Ok(catch_unwind(AssertUnwindSafe(find)).ok().flatten().unwrap_or(0))
    });
    Ok(())
}

/// Lets a client of `context` show `psk`.
pub(crate) fn show(context: &mut SslContextBuilder, psk: &Psk) {
    let psk = psk.clone();
    context.set_psk_client_callback(move |_, _hint, identity, room| {
        let show = || {
            let length = write(identity, psk.identity.as_bytes())?;
            // OpenSSL looks for the end of it.
            *identity.get_mut(length)? = 0;
            write(room, &psk.key)
        };
        Ok(catch_unwind(AssertUnwindSafe(show)).ok().flatten().unwrap_or(0))
    });
}

/// Why the client's identity was refused, if that is what `stack` is about.
pub(crate) fn refusal(ssl: &SslRef, stack: &ErrorStack) -> Option<Failure> {
    // ERR_LIB_SSL of include/openssl/err.h, and a reason of include/openssl/sslerr.h.
    const SSL_LIBRARY: i32 = 20;
    const PSK_IDENTITY_NOT_FOUND: i32 = 223;
    let refused = stack.errors().iter().any(|error| {
        error.library_code() == SSL_LIBRARY && error.reason_code() == PSK_IDENTITY_NOT_FOUND
    });
    refused.then(|| {
        let identity = String::from_utf8_lossy(ssl.psk_identity().unwrap_or_default());
        Failure::UnknownPskIdentity { identity: printable(&identity) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_identities_have_limits() {
        let keys = PskKeys::new();
        let key = [7; LONGEST_KEY + 1];
        for length in [0, 1, 15, 513] {
            let refused = Err(ConfigError::BadPskLength(length));
            assert_eq!(keys.set("player-17", &key[..length]), refused);
        }
        for identity in ["", &"x".repeat(129), "a\0b"] {
            let refused = keys.set(identity, &key[..16]);
            assert!(matches!(refused, Err(ConfigError::BadPskIdentity { .. })), "{refused:?}");
            assert!(Psk::new(identity, &key[..16]).is_err());
        }
        assert!(keys.is_empty());
        assert_eq!(keys.set(&"x".repeat(128), &key[..16]), Ok(()));
        assert_eq!(keys.set("Jürgen", &key[..512]), Ok(()));
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn keys_are_replaced_and_taken_away() {
        let keys = PskKeys::new();
        let copy = keys.clone();
        copy.set("player-17", &[1; 16]).expect("a usable key");
        copy.set("player-17", &[2; 20]).expect("a usable key");
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.find(b"player-17"), Some(key_of(&[2; 20])));
        assert_eq!(keys.find(b"player-1"), None);
        assert!(copy.remove("player-17"));
        assert!(!copy.remove("player-17"));
        assert_eq!(keys.find(b"player-17"), None);
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let mut room = [0; 21];
        assert_eq!(write(&mut room, &[2; 20]), Some(20));
        assert_eq!(room[..], [[2; 20].as_slice(), &[0]].concat());
        assert_eq!(write(&mut room[..19], &[3; 20]), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = PskKeys::new();
        keys.set("player-17", &[0xab; 16]).expect("a usable key");
        let psk = Psk::new("player-17", &[0xab; 16]).expect("a usable key");
        assert_eq!(format!("{keys:?}"), "PskKeys(1)");
        assert_eq!(format!("{psk:?}"), "Psk { identity: \"player-17\", .. }");
    }
}
