//! What makes the certificate of a peer a good one.

use openssl::sha::Sha256;
use openssl::x509::X509Ref;

use crate::certificate::TrustAnchors;
use crate::failure::Failure;
use crate::pins::Pins;

/// Which certificates of a peer are good.
#[derive(Debug, Clone)]
pub struct Trust {
    basis: Basis,
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
        Self { basis: Basis::Anchors(anchors, None) }
    }
}

impl Trust {
    /// Trusts whoever has one of these certificates or keys. Name, chain, dates and usage are not looked
    /// at, so a certificate that signed itself does.
    pub fn pinned(pins: Pins) -> Self {
        Self { basis: Basis::Pins(pins) }
    }

    /// The same, and the certificate or its key has to be one of `pins`. They replace those that were
    /// given before.
    pub fn with_pins(self, pins: Pins) -> Self {
        let basis = match self.basis {
            Basis::Anchors(anchors, _) => Basis::Anchors(anchors, Some(pins)),
            Basis::Pins(_) => Basis::Pins(pins),
        };
        Self { basis }
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
        self.pins()?.objection(own)
    }

    fn pins(&self) -> Option<&Pins> {
        match &self.basis {
            Basis::Anchors(_, pins) => pins.as_ref(),
            Basis::Pins(pins) => Some(pins),
        }
    }

    /// SHA-256 of all that a certificate is judged by.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let parts =
            [self.anchors().map(|anchors| *anchors.digest()), self.pins().map(Pins::digest)];
        let mut digest = Sha256::new();
        for part in parts {
            // Nothing is no digest.
            digest.update(&part.unwrap_or_default());
        }
        digest.finish()
    }
}
