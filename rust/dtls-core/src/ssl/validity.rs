//! The dates of certificates and revocation lists, compared with this machine's clock.

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509Ref;

use crate::report::failure::CertificateProblem;

/// Whether a time, in seconds since 1970, is still to come.
pub(crate) fn is_in_future(seconds: i64) -> bool {
    let compare = || {
        let (now, then) = (Asn1Time::days_from_now(0)?, Asn1Time::from_unix(seconds)?);
        Ok::<_, ErrorStack>(now < then)
    };
    seconds == i64::MAX || compare().unwrap_or(false)
}

/// What is wrong with the dates of `certificate` now, if anything is.
pub(crate) fn untimely(certificate: &X509Ref) -> Option<CertificateProblem> {
    let begins = seconds_since_1970(certificate.not_before()).unwrap_or(i64::MAX);
    let ends = seconds_since_1970(certificate.not_after()).unwrap_or(0);
    if is_in_future(begins) {
        Some(CertificateProblem::NotYetValid(certificate.not_before().to_string()))
    } else if is_in_future(ends) {
        None
    } else {
        Some(CertificateProblem::Expired(certificate.not_after().to_string()))
    }
}

/// A date of a certificate or of a list.
pub(crate) fn seconds_since_1970(date: &Asn1TimeRef) -> Option<i64> {
    let since_1970 = Asn1Time::from_unix(0).ok()?.diff(date).ok()?;
    Some(i64::from(since_1970.days) * 86_400 + i64::from(since_1970.secs))
}
