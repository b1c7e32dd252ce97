//! What makes the certificate of a peer a good one.

use openssl::sha::Sha256;
use openssl::x509::X509Ref;

use crate::credentials::certificate::TrustAnchors;
use crate::credentials::peer_name::names_of;
use crate::credentials::pins::Pins;
use crate::credentials::revocation::RevocationLists;
use crate::report::failure::{CertificateProblem, Failure};

/// Which certificates of a peer are good.
#[derive(Debug, Clone)]
pub struct Trust {
    basis: Basis,
    lists: Option<RevocationLists>,
    /// SHA-256 of all that. Made once: every handshake asks for it.
    digest: [u8; 32],
}

/// What a certificate is verified by.
#[derive(Debug, Clone)]
enum Basis {
    /// By the chain that leads from it to an anchor, and by pins if there are any.
    Anchors(TrustAnchors, Option<Pins>),
    /// By pins alone.
    Pins(Pins),
}

impl From<TrustAnchors> for Trust {
    fn from(anchors: TrustAnchors) -> Self {
        Self::new(Basis::Anchors(anchors, None), None)
    }
}

impl Trust {
    /// Trusts peers that have one of these certificates or keys. Name, chain, dates and usage are not looked
    /// at, so a certificate that signed itself does.
    pub fn pinned(pins: Pins) -> Self {
        Self::new(Basis::Pins(pins), None)
    }

    /// The same, and the certificate or its key has to be one of `pins`. They replace those that were
    /// given before.
    pub fn with_pins(self, pins: Pins) -> Self {
        let basis = match self.basis {
            Basis::Anchors(anchors, _) => Basis::Anchors(anchors, Some(pins)),
            Basis::Pins(_) => Basis::Pins(pins),
        };
        Self::new(basis, self.lists)
    }

    /// The same, and the certificate must not have been revoked. They replace lists that were given
    /// before.
    ///
    /// The issuer of the peer's own certificate has to have a valid one among them; authorities are
    /// looked up where there is a list of their issuer. Where a pin alone decides, the issuer is not
    /// known: an entry in the name of that issuer refuses, and lists are not needed.
    pub fn with_revocation_lists(self, lists: RevocationLists) -> Self {
        Self::new(self.basis, Some(lists))
    }

    fn new(basis: Basis, lists: Option<RevocationLists>) -> Self {
        let mut trust = Self { basis, lists, digest: [0; 32] };
        let parts = [
            trust.anchors().map(TrustAnchors::digest),
            trust.pins().map(Pins::digest),
            trust.lists.as_ref().map(RevocationLists::digest),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            // Nothing is no digest.
            digest.update(part.unwrap_or(&[0; 32]));
        }
        trust.digest = digest.finish();
        trust
    }

    /// Where a chain has to lead, if one is needed.
    pub(crate) fn anchors(&self) -> Option<&TrustAnchors> {
        match &self.basis {
            Basis::Anchors(anchors, _) => Some(anchors),
            Basis::Pins(_) => None,
        }
    }

    /// What is wrong with the peer's own certificate, beside its chain and its name.
    pub(crate) fn objection(&self, own: &X509Ref) -> Option<Failure> {
        if let Some(failure) = self.pins().and_then(|pins| pins.objection(own)) {
            return Some(failure);
        }
        let revoked = self.anchors().is_none() && self.lists.as_ref()?.revoke(own);
        let (problem, subject) = (CertificateProblem::Revoked, names_of(own));
        revoked.then_some(Failure::Certificate { problem, subject })
    }

    /// The lists by which the certificates of a chain are looked up.
    pub(crate) fn lists(&self) -> Option<&RevocationLists> {
        self.anchors().and(self.lists.as_ref())
    }

    fn pins(&self) -> Option<&Pins> {
        match &self.basis {
            Basis::Anchors(_, pins) => pins.as_ref(),
            Basis::Pins(pins) => Some(pins),
        }
    }

    /// SHA-256 of all that a certificate is verified by.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_trusted_is_in_the_digest_which_is_made_once() {
        let pins = |digit: u8| {
            let pin = format!("sha256:{}", char::from(digit).to_string().repeat(64));
            Pins::parse([pin.as_str()]).expect("a pin")
        };
        let [one, other] = [pins(b'1'), pins(b'2')];
        let trust = Trust::pinned(one.clone());
        assert_eq!(trust.digest(), Trust::pinned(one.clone()).digest());
        assert_ne!(trust.digest(), Trust::pinned(other.clone()).digest());
        assert_eq!(trust.clone().with_pins(other.clone()).digest(), Trust::pinned(other).digest());
        // The digest is not made anew for each caller.
        let Some(pins) = trust.pins() else { panic!("it has pins") };
        assert!(std::ptr::eq(pins.digest(), one.digest()));
        assert!(std::ptr::eq(trust.digest(), &raw const trust.digest));
    }
}
