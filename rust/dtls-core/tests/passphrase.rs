//! Private keys that are encrypted.

mod support;

use dtls_core::{ConfigError, Identity};
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use support::link::Link;
use support::pki;

fn key() -> PKey<Private> {
    PKey::private_key_from_pem(pki::LOCALHOST.key_pem.as_bytes()).expect("a key")
}

/// The key of localhost in both formats that PEM has for encrypted keys.
fn encrypted(passphrase: &[u8]) -> [Vec<u8>; 2] {
    let pkcs8 = key().private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), passphrase);
    let ec = key().ec_key().expect("an EC key");
    let traditional = ec.private_key_to_pem_passphrase(Cipher::aes_256_cbc(), passphrase);
    [pkcs8.expect("PEM"), traditional.expect("PEM")]
}

fn identity(key_pem: &[u8], passphrase: &[u8]) -> Result<Identity, ConfigError> {
    let certificates = pki::certificates(&pki::LOCALHOST.chain_pem());
    Identity::with_passphrase(key_pem, passphrase, certificates)
}

fn assert_works(key_pem: &[u8], passphrase: &[u8]) {
    let identity = identity(key_pem, passphrase).expect("the passphrase is right");
    let server = pki::server_with(identity.clone()).expect("a usable identity");
    Link::established(&server, &pki::verifying()).assert_data_flows();
}

#[test]
fn the_right_passphrase_opens_a_key() {
    for passphrase in [&b"secret"[..], "größer".as_bytes(), b"with a \0 in it", &[b'x'; 1024]] {
        encrypted(passphrase).iter().for_each(|pem| assert_works(pem, passphrase));
    }
}

#[test]
fn another_passphrase_does_not() {
    for pem in encrypted(b"secret") {
        for wrong in [&b"Secret"[..], b"secret ", b"s", b"secret\0x", &[b'x'; 2000]] {
            assert_eq!(identity(&pem, wrong).err(), Some(ConfigError::WrongPassphrase));
        }
    }
}

#[test]
fn without_one_it_is_said_that_one_is_needed() {
    for pem in encrypted(b"secret") {
        assert_eq!(identity(&pem, b"").err(), Some(ConfigError::EncryptedKey));
        let certificates = pki::certificates(&pki::LOCALHOST.chain_pem());
        assert_eq!(Identity::new(&pem, certificates).err(), Some(ConfigError::EncryptedKey));
    }
}

#[test]
fn a_key_that_is_not_encrypted_needs_none() {
    assert_works(pki::LOCALHOST.key_pem.as_bytes(), b"secret");
    let unreadable = identity(b"hello", b"secret").err();
    assert!(matches!(unreadable, Some(ConfigError::UnreadableKey(_))), "{unreadable:?}");
}

#[test]
fn what_is_inside_still_has_to_belong_to_the_certificate() {
    let other = pki::ROOT.issue(test_pki::Profile::localhost());
    let certificates = pki::certificates(&other.cert_pem);
    let [pem, _] = encrypted(b"secret");
    let refused = Identity::with_passphrase(&pem, b"secret", certificates).err();
    assert_eq!(refused, Some(ConfigError::KeyMismatch));
}
