//! HMAC-SHA256 (RFC 2104) without memory and without locks. OpenSSL's own looks for its algorithm and
//! allocates for every message, which would be most of what the answer to a stranger takes.

use openssl::sha::Sha256;
use zeroize::Zeroizing;

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// A key: both digests as they stand behind their first block, which is always the same.
pub(crate) struct HmacKey {
    inner: Sha256,
    outer: Sha256,
}

impl HmacKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let behind = |pad| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut digest = Sha256::new();
            digest.update(&*block);
            digest
        };
        Self { inner: behind(0x36), outer: behind(0x5c) }
    }

    pub(crate) fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        inner.update(message);
        outer.update(&inner.finish());
        outer.finish()
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::sign::Signer;

    use super::*;

    #[test]
    fn it_is_that_of_openssl() {
        let messages = (0..200_u8).map(|length| vec![length; length.into()]);
        for (number, message) in messages.enumerate() {
            let key = [u8::try_from(number).expect("below 200") ^ 0x5a; 32];
            let theirs = PKey::hmac(&key).expect("a key");
            let mut theirs = Signer::new(MessageDigest::sha256(), &theirs).expect("OpenSSL works");
            let theirs = theirs.sign_oneshot_to_vec(&message).expect("OpenSSL works");
            assert_eq!(HmacKey::new(&key).hmac(&message).as_slice(), theirs, "{number} bytes");
        }
    }

    /// RFC 4231 section 4.3; a key is filled up with zeros.
    #[test]
    fn it_is_that_of_the_rfc() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hmac = HmacKey::new(&key).hmac(b"what do ya want for nothing?");
        assert_eq!(hmac[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
        assert_eq!(hmac[24..], [0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43]);
    }
}
