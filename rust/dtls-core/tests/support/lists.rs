//! Revocation lists, as they should be and otherwise.

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509Crl, X509CrlBuilder, X509Extension, X509RevokedBuilder};
use test_pki::{Authority, Issued, Key, Validity};

use super::pki;

/// A list of `authority` that is valid and takes nothing back.
pub(crate) fn clean(authority: &Authority) -> String {
    authority.revocation_list(&[], Validity::Valid)
}

/// A list of `authority` that is valid and takes back what has this serial number.
pub(crate) fn revoking(authority: &Authority, serial: &[u8]) -> String {
    authority.revocation_list(&[serial], Validity::Valid)
}

/// The list with another signature than its own.
pub(crate) fn forged(list: &str) -> String {
    let mut der =
        X509Crl::from_pem(list.as_bytes()).and_then(|list| list.to_der()).expect("a list");
    *der.last_mut().expect("it has a signature at its end") ^= 1;
    pem(X509Crl::from_der(&der).expect("a list like any other"))
}

fn pem(list: X509Crl) -> String {
    String::from_utf8(list.to_pem().expect("PEM")).expect("PEM is text")
}

/// An authority whose key the test has, and so can make lists with that test-pki does not.
pub(crate) struct Odd {
    pub(crate) authority: Authority,
    key_pem: String,
}

/// What is unusual about a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Not even that: it is as it should be.
    None,
    /// It is to be added to an earlier one.
    Delta,
    /// It has certificates of other authorities in it.
    Indirect,
    /// It is about authorities only.
    AuthoritiesOnly,
    /// It is about some reasons only.
    SomeReasons,
    /// It has an unknown critical extension.
    Critical,
    /// It does not say until when it is good.
    Endless,
}

impl Odd {
    pub(crate) fn new() -> Self {
        let key_pem = pki::ec_key(openssl::nid::Nid::X9_62_PRIME256V1);
        let authority = Authority::root_with_key("Odd Root", &Key::FromPem(key_pem.clone()));
        Self { authority, key_pem }
    }

    pub(crate) fn list(&self, oddity: Oddity) -> String {
        self.revoking(oddity, None)
    }

    /// A list that takes `revoked` back.
    pub(crate) fn revoking(&self, oddity: Oddity, revoked: Option<&Issued>) -> String {
        self.make(oddity, revoked).map(pem).expect("a list")
    }

    fn make(&self, oddity: Oddity, revoked: Option<&Issued>) -> Result<X509Crl, ErrorStack> {
        let issuer = X509::from_pem(self.authority.cert_pem().as_bytes())?;
        let key = PKey::private_key_from_pem(self.key_pem.as_bytes())?;
        let extension = |oid: &str, critical: bool, der: &[u8]| {
            let value = Asn1OctetString::new_from_bytes(der)?;
            X509Extension::new_from_der(&*Asn1Object::from_str(oid)?, critical, &value)
        };
        let key_id = issuer.subject_key_id().expect("rcgen gives authorities one").as_slice();
        let length = |bytes: usize| u8::try_from(bytes).expect("a short one");
        let key_id =
            [&[0x30, length(key_id.len() + 2), 0x80, length(key_id.len())], key_id].concat();
        let mut list = X509CrlBuilder::new()?;
        list.set_issuer_name(issuer.subject_name())?;
        list.set_last_update(&*Asn1Time::days_from_now(0)?)?;
        list.set_next_update(&*Asn1Time::days_from_now(9)?)?;
        if let Some(revoked) = revoked {
            let mut entry = X509RevokedBuilder::new()?;
            entry.set_revocation_date(&*Asn1Time::days_from_now(0)?)?;
            let serial = BigNum::from_slice(&revoked.serial)?.to_asn1_integer()?;
            entry.set_serial_number(&serial)?;
            list.add_revoked(entry.build())?;
        }
        list.append_extension(extension("2.5.29.35", false, &key_id)?)?;
        list.append_extension(extension("2.5.29.20", false, &[2, 1, 9])?)?;
        let point = |flag: &[u8]| extension("2.5.29.28", true, flag);
        match oddity {
            Oddity::None | Oddity::Endless => {}
            Oddity::Delta => list.append_extension(extension("2.5.29.27", true, &[2, 1, 1])?)?,
            Oddity::AuthoritiesOnly => list.append_extension(point(&[0x30, 3, 0x82, 1, 0xff])?)?,
            Oddity::SomeReasons => list.append_extension(point(&[0x30, 4, 0x83, 2, 6, 0x40])?)?,
            Oddity::Indirect => list.append_extension(point(&[0x30, 3, 0x84, 1, 0xff])?)?,
            Oddity::Critical => {
                list.append_extension(extension("1.3.6.1.4.1.55555.1", true, &[5, 0])?)?;
            }
        }
        list.sign(&key, MessageDigest::sha256())?;
        let list = list.build()?;
        if oddity != Oddity::Endless {
            return Ok(list);
        }
        X509Crl::from_der(&without_end(&list.to_der()?))
    }
}

/// The list without its second date. Its signature does not fit any more.
fn without_end(der: &[u8]) -> Vec<u8> {
    const UTC_TIME: [u8; 2] = [0x17, 13];
    let dates: Vec<usize> = (0..der.len() - 1).filter(|at| der[*at..*at + 2] == UTC_TIME).collect();
    let mut der = der.to_vec();
    der.drain(dates[1]..dates[1] + 15);
    // The lengths of both sequences around it, in one byte or two.
    let mut at = 1;
    for _ in 0..2 {
        at += usize::from(der[at] == 0x81);
        assert!(der[at - 1] == 0x81 || der[at] < 0x80, "a longer one");
        der[at] -= 15;
        at += 2;
    }
    der
}
