//! The cipher suites that may be negotiated: authenticated encryption, both sides' words authenticated
//! by something, and forward secrecy. Only suites of a pre-shared key may lack the last.

use std::fmt;

use openssl::ssl::SslRef;

use crate::report::error::ConfigError;
use crate::report::text::printable;
use crate::ssl::ffi;
use crate::ssl::negotiation;

/// How a suite proves who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By a certificate with an ECDSA key.
    Ecdsa,
    /// By a certificate with an RSA key.
    Rsa,
    /// By a key that both sides know.
    Psk,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "a certificate with an ECDSA key",
            Self::Rsa => "a certificate with an RSA key",
            Self::Psk => "pre-shared keys",
        })
    }
}

/// A cipher suite, under OpenSSL's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) proof: Proof,
}

const fn suite(name: &'static str, proof: Proof) -> Suite {
    Suite { name, proof }
}

/// All of them, in the order of preference: forward secrecy first, and of that first what says who the
/// client is.
static ALLOWED: [Suite; 9] = [
    suite("ECDHE-PSK-CHACHA20-POLY1305", Proof::Psk),
    suite("ECDHE-ECDSA-AES128-GCM-SHA256", Proof::Ecdsa),
    suite("ECDHE-RSA-AES128-GCM-SHA256", Proof::Rsa),
    suite("ECDHE-ECDSA-AES256-GCM-SHA384", Proof::Ecdsa),
    suite("ECDHE-RSA-AES256-GCM-SHA384", Proof::Rsa),
    suite("ECDHE-ECDSA-CHACHA20-POLY1305", Proof::Ecdsa),
    suite("ECDHE-RSA-CHACHA20-POLY1305", Proof::Rsa),
    suite("PSK-AES128-GCM-SHA256", Proof::Psk),
    suite("PSK-AES256-GCM-SHA384", Proof::Psk),
];

/// Cipher suites, in the order of preference.
#[derive(Debug, Clone)]
pub struct CipherSuites(Vec<&'static Suite>);

impl CipherSuites {
    /// Reads a list in OpenSSL's syntax, such as `ECDHE+CHACHA20:ECDHE+AESGCM`. What is used is what
    /// OpenSSL makes of it, in its order, without what is not allowed: suites without authentication,
    /// without authenticated encryption, or, with certificates, without forward secrecy.
    ///
    /// # Errors
    /// When nothing is left of it. When it asks by name for what lets anyone in or encrypts nothing
    /// (`aNULL`, `eNULL` and the like; to exclude them is fine), or has a command with an `@`, which
    /// would set more than a list.
    pub fn parse(list: &str) -> Result<Self, ConfigError> {
        let refuse = |why| Err(ConfigError::BadCipherSuites { list: printable(list), why });
        if list.trim().is_empty() {
            return refuse("it is empty");
        }
        if list.contains('\0') {
            return refuse("it has a NUL in it");
        }
        if list.contains('@') {
            return refuse("commands with an @ are not for a list of suites");
        }
        let included = list.split([':', ';', ',', ' ']).filter(|it| !it.starts_with(['!', '-']));
        if included.flat_map(|item| item.split('+')).any(is_open_to_anyone) {
            return refuse("it asks for suites without authentication or encryption");
        }
        ffi::start();
        let Ok(names) = negotiation::cipher_names(list) else {
            return refuse("OpenSSL knows no such suites");
        };
        let allowed = |name| ALLOWED.iter().find(|suite| suite.name == name);
        let suites: Vec<_> = names.into_iter().filter_map(allowed).collect();
        if suites.is_empty() {
            let why = "none of its suites has authenticated encryption and forward secrecy, or is \
                       one of those that pre-shared keys are used with";
            return refuse(why);
        }
        Ok(Self(suites))
    }

    /// Checks that there is one for each of these proofs.
    pub(crate) fn check_each(&self, proofs: &[Proof]) -> Result<(), ConfigError> {
        match proofs.iter().find(|proof| self.with(&[**proof]).next().is_none()) {
            Some(proof) => Err(ConfigError::NoCipherSuite(proof.to_string())),
            None => Ok(()),
        }
    }

    /// Checks that there is one for any of these proofs.
    pub(crate) fn check_any(&self, proofs: &[Proof]) -> Result<(), ConfigError> {
        if self.with(proofs).next().is_some() {
            return Ok(());
        }
        let names: Vec<_> = proofs.iter().map(Proof::to_string).collect();
        Err(ConfigError::NoCipherSuite(names.join(" or ")))
    }

    /// Those for a side that has these proofs, or takes them.
    pub(crate) fn with(&self, proofs: &[Proof]) -> impl Iterator<Item = &'static Suite> {
        self.0.iter().copied().filter(|suite| proofs.contains(&suite.proof))
    }
}

impl Default for CipherSuites {
    /// Everything that is allowed.
    fn default() -> Self {
        Self(ALLOWED.iter().collect())
    }
}

/// Whether a part of a list includes suites without authentication or without encryption, and nothing
/// else but those.
fn is_open_to_anyone(part: &str) -> bool {
    let part = part.to_ascii_uppercase();
    let starts = ["ADH", "AECDH", "COMPLEMENTOF"].iter().any(|start| part.starts_with(start));
    starts || part.contains("NULL") || part.contains("_ANON_")
}

/// The suite that `ssl` has agreed upon, if it is an allowed one.
pub(crate) fn negotiated(ssl: &SslRef) -> Option<&'static Suite> {
    let name = ssl.current_cipher()?.name();
    ALLOWED.iter().find(|suite| suite.name == name)
}

/// Whether the two ends of `ssl` prove themselves by a pre-shared key. OpenSSL says so from when one
/// of them has begun to encrypt: the client here, or the peer of the server here.
pub(crate) fn is_psk(ssl: &SslRef) -> bool {
    negotiated(ssl).is_some_and(|suite| suite.proof == Proof::Psk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let suites = CipherSuites::parse(list).expect("a usable list");
        suites.0.iter().map(|suite| suite.name).collect()
    }

    #[test]
    fn what_is_left_of_a_list_is_allowed_and_in_its_order() {
        let one = "ECDHE-RSA-CHACHA20-POLY1305";
        assert_eq!(names(one), [one]);
        assert_eq!(names("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"), [one]);
        assert_eq!(
            names("PSK-AES256-GCM-SHA384 AES128-SHA, ECDHE-ECDSA-AES256-GCM-SHA384;no-such-suite"),
            ["PSK-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"]
        );
        let chacha = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"];
        assert_eq!(names("CHACHA20:-PSK:!aNULL:!eNULL:!ADH"), chacha);
        // Everything that OpenSSL has, and what is weak about it.
        for everything in ["ALL", "DEFAULT", "HIGH:MEDIUM:LOW", "ALL:!COMPLEMENTOFDEFAULT"] {
            let mut names = names(everything);
            names.sort_unstable();
            let mut allowed = ALLOWED.iter().map(|suite| suite.name).collect::<Vec<_>>();
            allowed.sort_unstable();
            assert_eq!(names, allowed, "{everything}");
        }
    }

    #[test]
    fn what_is_not_for_use_is_refused() {
        for list in [
            "",
            "  ",
            ":",
            "no-such-suite",
            "ALL:@SECLEVEL=0",
            "@STRENGTH",
            "ALL\0",
            "aNULL",
            "ALL:aNULL",
            "ALL:+aNULL",
            "ALL:eNULL",
            "ALL:NULL",
            "ECDHE:kEDH+anull",
            "ADH-AES256-GCM-SHA384",
            "AECDH",
            "ECDHE-ECDSA-AES128-GCM-SHA256:ADH",
            "COMPLEMENTOFALL",
            "ALL:COMPLEMENTOFDEFAULT",
            "ECDHE-PSK-NULL-SHA",
            "TLS_RSA_WITH_NULL_SHA256",
            "TLS_DH_anon_WITH_AES_128_GCM_SHA256",
            "AES128-SHA",
            "AES256-GCM-SHA384",
            "DHE-RSA-AES128-GCM-SHA256",
            "DHE-PSK-AES128-GCM-SHA256",
            "RSA-PSK-AES128-GCM-SHA256",
            "PSK-AES128-CBC-SHA",
            "ECDHE-ECDSA-AES128-SHA",
            "ECDHE-ECDSA-AES128-CCM8",
            "TLS_AES_128_GCM_SHA256",
        ] {
            let refused = CipherSuites::parse(list);
            assert!(
                matches!(refused, Err(ConfigError::BadCipherSuites { .. })),
                "{list:?}: {refused:?}"
            );
        }
    }
}
