//! Pins: certificates and public keys that are known beforehand.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use openssl::base64;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use openssl::x509::X509Ref;

use crate::report::error::ConfigError;
use crate::report::failure::Failure;
use crate::report::text::printable;
use crate::ssl::ffi;

/// The certificates and public keys that a peer may have, one of which it has to have.
#[derive(Clone, PartialEq, Eq)]
pub struct Pins(Arc<Set>);

#[derive(PartialEq, Eq)]
struct Set {
    pins: BTreeSet<Pin>,
    /// SHA-256 of what they are. Made once: every handshake asks for it, and there can be thousands.
    digest: [u8; 32],
}

/// One way to say which certificate is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pin {
    /// SHA-256 of the certificate.
    Certificate([u8; 32]),
    /// SHA-256 of its public key (RFC 7469 section 2.4), which the next certificate may share.
    PublicKey([u8; 32]),
}

impl Pins {
    /// Reads pins, each of which is one of
    /// - `sha256:` and the SHA-256 of the certificate in 64 hexadecimal digits, with or without colons
    ///   between the bytes, as browsers and `openssl x509 -fingerprint -sha256` show it;
    /// - `spki:` and the SHA-256 of its public key in base64, as in RFC 7469.
    ///
    /// # Errors
    /// When there is none, and when one of them is something else.
    pub fn parse<'a>(pins: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let read = |pin: &'a str| {
            Pin::parse(pin).map_err(|why| ConfigError::BadPin { pin: printable(pin), why })
        };
        let pins = pins.into_iter().map(read).collect::<Result<BTreeSet<_>, _>>()?;
        if pins.is_empty() {
            return Err(ConfigError::NoPin);
        }
        // In the order of the set, whatever the one is in which they were given.
        let all: Vec<String> = pins.iter().map(Pin::to_string).collect();
        let digest = sha256(all.join(" ").as_bytes());
        Ok(Self(Arc::new(Set { pins, digest })))
    }

    /// What is wrong with a peer whose own certificate is `certificate`, if it is none of these.
    pub(crate) fn objection(&self, certificate: &X509Ref) -> Option<Failure> {
        match Pin::both_of(certificate) {
            Ok(pins) if pins.iter().any(|pin| self.0.pins.contains(pin)) => None,
            Ok([whole, key]) => {
                Some(Failure::PinMismatch { presented: format!("{whole} or {key}") })
            }
            Err(_) => Some(Failure::PinMismatch { presented: "none".to_owned() }),
        }
    }

    /// SHA-256 of what they are, in whatever order they were given.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.pins).finish()
    }
}

impl Pin {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let after = |prefix: &str| {
            let start = text.get(..prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then(|| text.split_at(prefix.len()).1)
        };
        if let Some(digits) = after("sha256:").or_else(|| after("sha256 Fingerprint=")) {
            let why = "behind sha256: belong 64 hexadecimal digits, with a colon between every two or \
                       without";
            from_hex(digits).map(Self::Certificate).ok_or(why)
        } else if let Some(key) = after("spki:") {
            let why = "behind spki: belong 32 bytes in base64, which are 44 characters";
            from_base64(key).map(Self::PublicKey).ok_or(why)
        } else {
            Err("it begins neither with sha256: nor with spki:")
        }
    }

    /// The pins that `certificate` matches.
    fn both_of(certificate: &X509Ref) -> Result<[Self; 2], ErrorStack> {
        let key = sha256(&ffi::public_key_info(certificate)?);
        Ok([Self::of_certificate(certificate)?, Self::PublicKey(key)])
    }

    fn of_certificate(certificate: &X509Ref) -> Result<Self, ErrorStack> {
        let digest = certificate.digest(MessageDigest::sha256())?;
        let digest = <[u8; 32]>::try_from(&*digest).map_err(|_| ErrorStack::get())?;
        Ok(Self::Certificate(digest))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(digest) => {
                f.write_str("sha256:")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::PublicKey(digest) => write!(f, "spki:{}", base64::encode_block(digest)),
        }
    }
}

/// The pins that `certificate` matches: as a whole, and by its public key.
pub(crate) fn both_of(certificate: &X509Ref) -> Result<[String; 2], ErrorStack> {
    Ok(Pin::both_of(certificate)?.map(|pin| pin.to_string()))
}

/// The pin of `certificate` as a whole.
pub(crate) fn fingerprint(certificate: &X509Ref) -> Option<String> {
    Pin::of_certificate(certificate).ok().map(|pin| pin.to_string())
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
        return None;
    }
    let digits = if text.contains(':') {
        let bytes: Vec<&str> = text.split(':').collect();
        bytes.iter().all(|byte| byte.len() == 2).then(|| bytes.concat())?
    } else {
        text.to_owned()
    };
    let nibbles =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|it| u8::try_from(it).ok()));
    let nibbles = nibbles.collect::<Option<Vec<u8>>>()?;
    let bytes = nibbles.chunks(2).map(|pair| match *pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn from_base64(text: &str) -> Option<[u8; 32]> {
    // OpenSSL is generous about what stands around it.
    let bytes = base64::decode_block(text).ok().filter(|it| base64::encode_block(it) == text)?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn with_colons() -> String {
        let bytes: Vec<&str> = (0..32).map(|index| &HEX[2 * index..2 * index + 2]).collect();
        bytes.join(":").to_uppercase()
    }

    #[test]
    fn a_pin_is_read_as_programs_print_it() {
        let expected = Pins::parse([format!("sha256:{HEX}").as_str()]).expect("a pin");
        assert_eq!(expected.0.pins.first().map(Pin::to_string), Some(format!("sha256:{HEX}")));
        for text in [
            format!("sha256:{}", HEX.to_uppercase()),
            format!("SHA256:{HEX}"),
            format!("sha256:{}", with_colons()),
            format!("sha256 Fingerprint={}", with_colons()),
            format!("SHA256 Fingerprint={}\n", with_colons()),
            format!(" sha256:{HEX}\t"),
        ] {
            assert_eq!(Pins::parse([text.as_str()]), Ok(expected.clone()), "{text}");
        }
        let key = Pins::parse([format!("spki:{BASE64}").as_str()]).expect("a pin");
        assert_eq!(key.0.pins.first().map(Pin::to_string), Some(format!("spki:{BASE64}")));
        assert_ne!(key, expected, "the same digest of something else");
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let colons = with_colons();
        for text in [
            "".to_owned(),
            "sha256:".to_owned(),
            HEX.to_owned(),
            colons.clone(),
            format!("sha1:{HEX}"),
            format!("sha256:{HEX}0"),
            format!("sha256:{HEX}00"),
            format!("sha256:{}", &HEX[1..]),
            format!("sha256:{}", &HEX[2..]),
            format!("sha256:g{}", &HEX[1..]),
            format!("sha256:+{}", &HEX[1..]),
            format!("sha256: {HEX}"),
            format!("sha256:{colons}:"),
            format!("sha256::{colons}"),
            format!("sha256:{}", colons.replacen(':', "", 1)),
            format!("sha256:{}", colons.replacen("00:01", "0:001", 1)),
            format!("sha256:ü{}", &HEX[2..]),
            "spki:".to_owned(),
            format!("spki:{HEX}"),
            format!("spki: {BASE64}"),
            format!("spki:{BASE64}="),
            format!("spki:{}", BASE64.trim_end_matches('=')),
            format!("spki:{}", BASE64.replace("Hh8=", "Hh9=")),
            format!("spki:{}", BASE64.replace("AAEC", "AA\nEC")),
            format!("spki:{}", BASE64.replace("AAEC", "AA-C")),
            "spki:AAEC".to_owned(),
        ] {
            let refused = Pins::parse([text.as_str()]);
            assert!(matches!(refused, Err(ConfigError::BadPin { .. })), "{text:?}: {refused:?}");
            let good = format!("sha256:{HEX}");
            let among_others = Pins::parse([good.as_str(), text.as_str()]);
            assert_eq!(among_others, refused, "one bad pin is not left out");
        }
        assert_eq!(Pins::parse([]), Err(ConfigError::NoPin));
    }

    #[test]
    fn a_refusal_shows_the_pin_escaped_and_cut() {
        let text = format!("sha256:\u{1b}[2J\n{}", "f".repeat(1000));
        let refused = Pins::parse([text.as_str()]).expect_err("it is no pin").to_string();
        assert!(refused.starts_with("\"sha256:\\u{1b}[2J\\nfff"), "{refused}");
        assert!(refused.len() < 400, "{}", refused.len());
    }

    #[test]
    fn the_order_does_not_matter_and_the_kind_does() {
        let digest = |pins: &[&str]| *Pins::parse(pins.iter().copied()).expect("pins").digest();
        let (whole, key) = (format!("sha256:{HEX}"), format!("spki:{BASE64}"));
        assert_eq!(digest(&[&whole, &key]), digest(&[&key, &whole, &key]));
        assert_ne!(digest(&[&whole]), digest(&[&key]));
        assert_ne!(digest(&[&whole]), digest(&[&whole, &key]));
    }
}
