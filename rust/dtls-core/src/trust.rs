//! What makes the certificate of a peer a good one.

use openssl::sha::Sha256;
use openssl::x509::X509Ref;

use crate::certificate::TrustAnchors;
use crate::failure::{CertificateProblem, Failure};
use crate::peer_name::names_of;
use crate::pins::Pins;
use crate::revocation::RevocationLists;

/// Which certificates of a peer are good.
#[derive(Debug, Clone)]
pub struct Trust {
    basis: Basis,
    lists: Option<RevocationLists>,
}

/// By what a certificate is judged.
#[derive(Debug, Clone)]
enum Basis {
    /// By the chain that leads from it to an anchor, and by pins if there are any.
    Anchors(TrustAnchors, Option<Pins>),
    /// By pins alone.
    Pins(Pins),
}

impl From<TrustAnchors> for Trust {
    fn from(anchors: TrustAnchors) -> Self {
        Self { basis: Basis::Anchors(anchors, None), lists: None }
    }
}

impl Trust {
    /// Trusts whoever has one of these certificates or keys. Name, chain, dates and usage are not looked
    /// at, so a certificate that signed itself does.
    pub fn pinned(pins: Pins) -> Self {
        Self { basis: Basis::Pins(pins), lists: None }
    }

    /// The same, and the certificate or its key has to be one of `pins`. They replace those that were
    /// given before.
    pub fn with_pins(self, pins: Pins) -> Self {
        let basis = match self.basis {
            Basis::Anchors(anchors, _) => Basis::Anchors(anchors, Some(pins)),
            Basis::Pins(_) => Basis::Pins(pins),
        };
        Self { basis, ..self }
    }

    /// The same, and the certificate must not have been revoked. They replace lists that were given
    /// before.
    ///
    /// The issuer of the peer's own certificate has to have a valid one among them; authorities are
    /// looked up where there is a list of their issuer. Where a pin alone decides, whose issuer nobody
    /// knows, an entry in the name of that issuer refuses, and lists are not needed.
    pub fn with_revocation_lists(self, lists: RevocationLists) -> Self {
        Self { lists: Some(lists), ..self }
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

    /// SHA-256 of all that a certificate is judged by.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let parts = [
            self.anchors().map(|anchors| *anchors.digest()),
            self.pins().map(Pins::digest),
            self.lists.as_ref().map(|lists| *lists.digest()),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            // Nothing is no digest.
            digest.update(&part.unwrap_or_default());
        }
        digest.finish()
    }
}
