//! Session tickets (RFC 5077): what a server needs to resume a session, kept by its clients.
//!
//! The server keeps the keys and nothing else. Which of its configurations a ticket is for is said by
//! the session id context in it, which OpenSSL compares (`config.rs`).
//!
//! The keys are random and change by themselves, or they are given: then any server that was given the
//! same ones resumes the sessions of the others.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use crate::credentials::rotation::Rotation;
use crate::report::error::ConfigError;
use crate::ssl::callbacks::{Renewal, TicketKey};

/// How long a key seals tickets. It opens them for as long again.
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long a session can be resumed, counted from its full handshake.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(3600);

impl TicketKey {
    fn random() -> Result<Self, ErrorStack> {
        let [cipher, mac] = [[0; 32]; 2].map(Zeroizing::new);
        let mut key = Self { name: [0; 16], cipher, mac };
        openssl::rand::rand_bytes(&mut key.name)?;
        openssl::rand::rand_priv_bytes(&mut *key.cipher)?;
        openssl::rand::rand_priv_bytes(&mut *key.mac)?;
        Ok(key)
    }

    /// Reads one in the layout of OpenSSL's `SSL_CTX_set_tlsext_ticket_keys`: name, HMAC, AES.
    fn read(bytes: &[u8; SHARED_KEY]) -> Option<Self> {
        let (name, secrets) = bytes.split_first_chunk()?;
        let (mac, cipher) = secrets.split_first_chunk()?;
        let [cipher, mac] = [cipher.try_into().ok()?, *mac].map(Zeroizing::new);
        Some(Self { name: *name, cipher, mac })
    }

    /// Whether one of its secrets is all of one byte, and so not random.
    fn is_blank(&self) -> bool {
        [&self.cipher, &self.mac].iter().any(|secret| secret.windows(2).all(|it| it[0] == it[1]))
    }
}

/// Bytes of a key that is given.
const SHARED_KEY: usize = 80;
/// How many can be given.
const MOST_SHARED_KEYS: usize = 16;

/// Ticket keys that several servers have in common, so that each resumes the sessions of the others.
///
/// They do not change by themselves. Someone who has a key can read every session that it
/// has sealed, so give new ones from time to time, and keep the ones before for an hour, until their
/// sessions are over.
#[derive(Clone)]
pub struct SharedTicketKeys(Arc<[TicketKey]>);

impl SharedTicketKeys {
    /// Keys of 80 random bytes each, in the layout of OpenSSL: 16 bytes of a name, which anyone can
    /// see, 32 for HMAC-SHA256 and 32 for AES-256. The first seals tickets, and all of them open them.
    /// A client with a ticket of another than the first is given a new one.
    ///
    /// # Errors
    /// When there is none or more than 16, when one does not have 80 bytes or is not random, and when
    /// two have the same name.
    pub fn new(keys: &[impl AsRef<[u8]>]) -> Result<Self, ConfigError> {
        if keys.is_empty() || keys.len() > MOST_SHARED_KEYS {
            return Err(ConfigError::TicketKeyCount(keys.len()));
        }
        let mut read: Vec<TicketKey> = Vec::with_capacity(keys.len());
        for key in keys.iter().map(AsRef::as_ref) {
            let refused = ConfigError::TicketKeyLength(key.len());
            let key = key.try_into().ok().and_then(TicketKey::read).ok_or(refused)?;
            if key.is_blank() {
                return Err(ConfigError::TicketKeyNotRandom);
            }
            if read.iter().any(|earlier| earlier.name == key.name) {
                return Err(ConfigError::TicketKeyTwice);
            }
            read.push(key);
        }
        Ok(Self(read.into()))
    }

    /// The key that seals tickets.
    pub(crate) fn sealing(&self) -> Option<TicketKey> {
        self.0.first().cloned()
    }

    /// The key by this name, which opens a ticket.
    pub(crate) fn opening(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
        opening(self.0.iter(), name)
    }
}

impl fmt::Debug for SharedTicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedTicketKeys({})", self.0.len())
    }
}

/// The ticket keys of one server.
pub(crate) struct TicketKeys(Mutex<Rotation<TicketKey>>);

impl TicketKeys {
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self(Mutex::new(Rotation::new(TicketKey::random()?, LIFETIME, now))))
    }

    /// Takes a new key if the current one has served its time.
    pub(crate) fn rotate(&self, now: Instant) -> Result<(), ErrorStack> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.rotate(now, TicketKey::random)
    }

    /// The key that seals tickets.
    pub(crate) fn sealing(&self) -> TicketKey {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).current().clone()
    }

    /// The key by this name, which opens a ticket.
    pub(crate) fn opening(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opening(keys.known(), name)
    }
}

/// The one of `keys` that has this name. All but the first are on their way out.
fn opening<'a>(
    keys: impl Iterator<Item = &'a TicketKey>,
    name: &[u8; 16],
) -> Option<(TicketKey, Renewal)> {
    let (age, key) = keys.enumerate().find(|(_, key)| key.name == *name)?;
    Some((key.clone(), if age == 0 { Renewal::NotYet } else { Renewal::Due }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_seals_for_an_hour_and_opens_for_one_more() {
        let start = Instant::now();
        let keys = TicketKeys::new(start).expect("random numbers");
        let first = keys.sealing();
        let at = |minutes: u64| {
            keys.rotate(start + Duration::from_secs(minutes * 60)).expect("random numbers");
            (keys.sealing().name == first.name, keys.opening(&first.name).map(|it| it.1))
        };
        assert_eq!(at(59), (true, Some(Renewal::NotYet)));
        assert_eq!(at(61), (false, Some(Renewal::Due)));
        assert_eq!(at(120), (false, Some(Renewal::Due)));
        assert_eq!(at(122), (false, None));
    }

    #[test]
    fn keys_that_are_given_have_to_be_keys() {
        let key = |seed: u8| std::array::from_fn::<u8, 80, _>(|at| seed.wrapping_add(at as u8));
        let refused = |keys: &[&[u8]]| SharedTicketKeys::new(keys).expect_err("refused");
        assert!(SharedTicketKeys::new(&[key(1), key(2)]).is_ok());
        assert_eq!(refused(&[]), ConfigError::TicketKeyCount(0));
        let many: Vec<_> = (0..17).map(key).collect();
        assert!(SharedTicketKeys::new(&many[1..]).is_ok());
        let counted = SharedTicketKeys::new(&many).expect_err("refused");
        assert_eq!(counted, ConfigError::TicketKeyCount(17));
        for length in [0, 16, 48, 79] {
            let refused = refused(&[&key(1), &key(2)[..length]]);
            assert_eq!(refused, ConfigError::TicketKeyLength(length));
        }
        assert_eq!(refused(&[&[7; 81]]), ConfigError::TicketKeyLength(81));
        assert_eq!(refused(&[&[0; 80]]), ConfigError::TicketKeyNotRandom);
        assert_eq!(refused(&[&[0xff; 80]]), ConfigError::TicketKeyNotRandom);
        for blank in [16..48, 48..80] {
            let mut half = key(1);
            half[blank].fill(0);
            assert_eq!(refused(&[&half]), ConfigError::TicketKeyNotRandom);
        }
        let mut same_name = key(2);
        same_name[..16].copy_from_slice(&key(1)[..16]);
        assert_eq!(refused(&[&key(1), &same_name]), ConfigError::TicketKeyTwice);
    }

    #[test]
    fn the_layout_is_that_of_openssl() {
        let bytes = std::array::from_fn::<u8, 80, _>(|at| at as u8);
        let keys = SharedTicketKeys::new(&[bytes]).expect("usable");
        let key = keys.sealing().expect("there is one");
        assert_eq!(key.name, bytes[..16]);
        assert_eq!(key.mac[..], bytes[16..48]);
        assert_eq!(key.cipher[..], bytes[48..]);
        assert_eq!(format!("{keys:?}"), "SharedTicketKeys(1)");
    }

    #[test]
    fn a_server_that_was_idle_forgets_its_key() {
        let start = Instant::now();
        let keys = TicketKeys::new(start).expect("random numbers");
        let first = keys.sealing();
        keys.rotate(start + 3 * LIFETIME).expect("random numbers");
        assert_eq!(keys.opening(&first.name).map(|it| it.1), None);
        assert_ne!(keys.sealing().cipher, first.cipher);
    }
}
