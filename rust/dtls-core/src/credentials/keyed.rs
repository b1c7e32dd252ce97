//! Finding a secret thing again without keeping it.

use std::hash::{Hash, Hasher};

use once_cell::sync::OnceCell;
use openssl::sha::Sha256;

use crate::report::error::OpenSslError;
use crate::ssl::ffi;

/// A digest of all that `value` is made of, by which an equal one is found again in this process: SHA-256
/// behind 32 random bytes of this process.
///
/// What is fed to the hash has to tell any two values apart, as that of strings, slices, options and
/// what is derived of them does.
///
/// # Errors
/// When OpenSSL has no random numbers.
pub fn keyed_digest(value: &impl Hash) -> Result<[u8; 32], OpenSslError> {
    static KEY: OnceCell<[u8; 32]> = OnceCell::new();

    ffi::start();
    let key = KEY.get_or_try_init(|| {
        let mut key = [0; 32];
        openssl::rand::rand_priv_bytes(&mut key).map(|()| key)
    })?;
    let mut digest = Sha256::new();
    digest.update(key);
    let mut all = Absorbing(digest);
    value.hash(&mut all);
    Ok(all.0.finish())
}

/// Takes in what is hashed.
struct Absorbing(Sha256);

impl Hasher for Absorbing {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest is longer than this.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Hash)]
    enum Parts {
        One(String),
        Many(Vec<String>),
        Bytes(Option<Vec<u8>>),
        None,
    }

    #[test]
    fn different_values_have_different_digests_and_equal_ones_the_same() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = || {
            [
                Parts::One("ab".to_owned()),
                Parts::One("abc".to_owned()),
                Parts::One(String::new()),
                Parts::Many(Vec::new()),
                Parts::Many(texts(&[""])),
                Parts::Many(texts(&["ab", "c"])),
                Parts::Many(texts(&["a", "bc"])),
                Parts::Many(texts(&["abc"])),
                Parts::Bytes(None),
                Parts::Bytes(Some(Vec::new())),
                Parts::Bytes(Some(vec![0])),
                Parts::Bytes(Some(vec![0, 0])),
                Parts::None,
            ]
        };
        let digests = || all().map(|parts| keyed_digest(&parts).expect("random numbers"));
        assert_eq!(digests(), digests());
        let mut different = digests().to_vec();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), all().len());
        // Otherwise a weak passphrase could be looked up in a table.
        let mut bare = Absorbing(Sha256::new());
        Parts::None.hash(&mut bare);
        assert!(!digests().contains(&bare.0.finish()));
    }
}
