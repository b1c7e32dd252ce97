//! The cipher suites that may be negotiated: authenticated encryption, both sides' words authenticated
//! by something, and forward secrecy. Only suites of a pre-shared key may lack the last.

use openssl::ssl::SslRef;

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
pub(crate) struct CipherSuites(Vec<&'static Suite>);

impl CipherSuites {
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

/// The suite that `ssl` has agreed upon, if it is an allowed one.
pub(crate) fn negotiated(ssl: &SslRef) -> Option<&'static Suite> {
    let name = ssl.current_cipher()?.name();
    ALLOWED.iter().find(|suite| suite.name == name)
}
