//! Revocation lists (RFC 5280 section 5): what authorities have taken back before its time was over.
//!
//! OpenSSL looks certificates up in them, in a store of that one configuration, and refuses a list that
//! is not signed by the issuer, out of date, or of a kind that it does not support (indirect lists, some
//! reasons only, critical extensions it does not know). Here is decided what that means:
//!
//! - The issuer of the peer's own certificate has to have a valid list.
//! - An authority between that and the anchor is looked up if there is a list in its issuer's name.
//! - An anchor is trusted because the developer says so; no issuer has to vouch for it.
//! - Where the issuer is not known, an entry counts: the list cannot be verified, but the developer has
//!   configured it. That is so for an anchor, and for a certificate that is only pinned.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{CrlStatus, X509Crl, X509Ref, X509VerifyResult};

use crate::credentials::certificate::TrustAnchors;
use crate::credentials::pem::{self, Block, Kind, Unreadable};
use crate::report::error::ConfigError;
use crate::report::failure::CertificateProblem;
use crate::ssl::ffi;
use crate::ssl::validity;

// Numbers of include/openssl/x509_vfy.h.
const UNABLE_TO_GET_CRL: i32 = 3;
const CRL_SIGNATURE_FAILURE: i32 = 8;
const CRL_NOT_YET_VALID: i32 = 11;
const CRL_HAS_EXPIRED: i32 = 12;
const ERROR_IN_CRL_LAST_UPDATE_FIELD: i32 = 15;
const ERROR_IN_CRL_NEXT_UPDATE_FIELD: i32 = 16;
const UNABLE_TO_GET_CRL_ISSUER: i32 = 33;
const KEYUSAGE_NO_CRL_SIGN: i32 = 35;
const UNHANDLED_CRITICAL_CRL_EXTENSION: i32 = 36;
const DIFFERENT_CRL_SCOPE: i32 = 44;
pub(crate) const CRL_PATH_VALIDATION_ERROR: i32 = 54;

/// Revocation lists of one authority or more.
#[derive(Clone)]
pub struct RevocationLists(Arc<Lists>);

struct Lists {
    lists: Vec<X509Crl>,
    /// SHA-256 of what each of them is.
    digest: [u8; 32],
}

/// Where a certificate stands in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainPosition {
    /// It is the peer's own, and its issuer is known.
    Own,
    /// It is the peer's own, and the chain ends with it.
    OwnAndLast,
    /// It is that of an authority, and its issuer is known.
    Between,
    /// It is that of an authority, and the chain ends with it.
    Last,
}

impl ChainPosition {
    pub(crate) fn new(depth: usize, chain: usize) -> Self {
        match (depth, depth + 1 < chain) {
            (0, true) => Self::Own,
            (0, false) => Self::OwnAndLast,
            (_, true) => Self::Between,
            (_, false) => Self::Last,
        }
    }
}

impl RevocationLists {
    /// Reads every revocation list of a PEM text.
    ///
    /// # Errors
    /// When there is none, when something else is among them, and when one of them cannot be read, does not
    /// say until when it is good or only adds to another (a delta list). None is left out silently.
    pub fn parse(pem: &[u8]) -> Result<Self, ConfigError> {
        ffi::start();
        let blocks = pem::blocks(pem).into_iter().map(|block| {
            block.and_then(|block| read(&block)).map_err(|Unreadable { number, why }| {
                ConfigError::UnreadableRevocationList(number, why)
            })
        });
        let read = blocks.collect::<Result<Vec<_>, _>>()?;
        if read.is_empty() {
            return Err(ConfigError::NoRevocationList);
        }
        let (lists, mut digests): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        // The order does not matter to a store.
        digests.sort_unstable();
        let digest = sha256(&digests.concat());
        Ok(Self(Arc::new(Lists { lists, digest })))
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    /// A store that has these lists, too. The one of the anchors belongs to other configurations as well.
    pub(crate) fn store_with(&self, anchors: &TrustAnchors) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for anchor in anchors.store().all_certificates() {
            store.add_cert(anchor)?;
        }
        for list in &self.0.lists {
            ffi::add_revocation_list(&mut store, list)?;
        }
        Ok(store.build())
    }

    /// Whether one of them, valid or not, has an entry for `certificate`.
    pub(crate) fn revoke(&self, certificate: &X509Ref) -> bool {
        let certificate = certificate.to_owned();
        let mut lists = self.0.lists.iter();
        lists.any(|list| matches!(list.get_by_cert(&certificate), CrlStatus::Revoked(_)))
    }

    /// When the first of those that now speak for the issuer of `certificate` ends, in seconds since
    /// 1970; never, if there is none.
    pub(crate) fn expiry(&self, certificate: &X509Ref) -> i64 {
        let ends = self.of_issuer(certificate).filter_map(|list| list.next_update());
        let ends = ends.map(|end| validity::seconds_since_1970(end).unwrap_or(0));
        ends.filter(|end| validity::is_in_future(*end)).min().unwrap_or(i64::MAX)
    }

    /// What it means that OpenSSL had something to say about these lists while it looked for
    /// `certificate`. `None` if nothing is wrong.
    pub(crate) fn problem(
        &self,
        verdict: X509VerifyResult,
        certificate: &X509Ref,
        position: ChainPosition,
    ) -> Option<CertificateProblem> {
        let revoked = || self.revoke(certificate).then_some(CertificateProblem::Revoked);
        match position {
            ChainPosition::Own => Some(self.trouble(verdict, certificate)),
            ChainPosition::OwnAndLast => {
                revoked().or(Some(CertificateProblem::RevocationListUnverifiable))
            }
            ChainPosition::Between => {
                let unlisted = verdict.as_raw() == UNABLE_TO_GET_CRL
                    && self.of_issuer(certificate).next().is_none();
                (!unlisted).then(|| self.trouble(verdict, certificate))
            }
            ChainPosition::Last => revoked(),
        }
    }

    fn trouble(&self, verdict: X509VerifyResult, certificate: &X509Ref) -> CertificateProblem {
        let lists = self.of_issuer(certificate);
        // The one that OpenSSL prefers.
        let newest = lists.max_by(|one, other| {
            one.last_update().partial_cmp(other.last_update()).unwrap_or(Ordering::Equal)
        });
        let Some(newest) = newest else {
            return CertificateProblem::RevocationListMissing;
        };
        match verdict.as_raw() {
            CRL_SIGNATURE_FAILURE => CertificateProblem::RevocationListForged,
            CRL_NOT_YET_VALID => {
                CertificateProblem::RevocationListNotYetValid(newest.last_update().to_string())
            }
            CRL_HAS_EXPIRED => {
                let end = newest.next_update().map_or_else(String::new, ToString::to_string);
                CertificateProblem::RevocationListExpired(end)
            }
            UNABLE_TO_GET_CRL => {
                let why = "it is that of another key, or a partial or indirect list";
                CertificateProblem::RevocationListUnusable(why.to_owned())
            }
            _ => CertificateProblem::RevocationListUnusable(verdict.error_string().to_owned()),
        }
    }

    /// Those in the name of the issuer of `certificate`.
    fn of_issuer(&self, certificate: &X509Ref) -> impl Iterator<Item = &X509Crl> {
        let is_its = |list: &&X509Crl| {
            matches!(list.issuer_name().try_cmp(certificate.issuer_name()), Ok(Ordering::Equal))
        };
        self.0.lists.iter().filter(is_its)
    }
}

impl fmt::Debug for RevocationLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationLists({})", self.0.lists.len())
    }
}

/// Whether a verdict of OpenSSL is about a list and not about a certificate.
pub(crate) fn is_about_a_list(verdict: X509VerifyResult) -> bool {
    matches!(
        verdict.as_raw(),
        UNABLE_TO_GET_CRL
            | CRL_SIGNATURE_FAILURE
            | CRL_NOT_YET_VALID
            | CRL_HAS_EXPIRED
            | ERROR_IN_CRL_LAST_UPDATE_FIELD
            | ERROR_IN_CRL_NEXT_UPDATE_FIELD
            | UNABLE_TO_GET_CRL_ISSUER
            | KEYUSAGE_NO_CRL_SIGN
            | UNHANDLED_CRITICAL_CRL_EXTENSION
            | DIFFERENT_CRL_SCOPE
            | CRL_PATH_VALIDATION_ERROR
    )
}

/// Reads one list, and tells its digest beside it.
fn read(block: &Block) -> Result<(X509Crl, [u8; 32]), Unreadable> {
    if block.kind() != Kind::RevocationList {
        return Err(block.unreadable("it is something else"));
    }
    if block.is_encrypted() {
        return Err(block.unreadable("it is encrypted"));
    }
    let list = X509Crl::from_pem(block.as_bytes()).map_err(|error| block.refused(&error))?;
    if list.next_update().is_none() {
        return Err(block.unreadable("it does not say when the next one comes"));
    }
    if ffi::is_delta(&list) {
        // OpenSSL 3.6 took it for the whole; 4.0 passes over it, as if no list were there.
        return Err(block.unreadable("it is a delta list; give the complete one"));
    }
    let der = list.to_der().map_err(|error| block.refused(&error))?;
    Ok((list, sha256(&der)))
}
