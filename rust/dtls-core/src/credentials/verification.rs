//! How each side verifies the certificate of the other.
//!
//! OpenSSL builds and checks the chain; the callback here adds the name and the pins, and keeps what was
//! wrong, since OpenSSL itself remembers only "certificate verify failed". Where the pins alone decide,
//! what OpenSSL finds about the chain does not count.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};

use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef, SslVerifyMode};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};

use crate::credentials::peer_name::{CommonName, PeerName, names_compared, names_of};
use crate::credentials::revocation::{CRL_PATH_VALIDATION_ERROR, ChainPosition, is_about_a_list};
use crate::credentials::trust::Trust;
use crate::report::error::ConfigError;
use crate::report::failure::{CertificateProblem, Failure, Reason, Role};
use crate::ssl::ffi;
use crate::ssl::validity::seconds_since_1970;

/// What is verified of a server's certificate.
#[derive(Debug, Clone)]
pub enum Verification {
    /// Nothing. Any server is accepted.
    Nothing,
    /// The chain leads to a trust anchor (or is one) and the certificate is meant for servers; or
    /// whatever else the trust consists in.
    Chain(Trust),
    /// That, and the certificate is for the name that the client connects to. Needs trust anchors: with
    /// pins alone no one vouches for a name.
    ChainAndName(Trust),
}

impl Verification {
    /// Whether the certificate has to be for the name that the client connects to.
    pub(crate) fn verifies_name(&self) -> bool {
        match self {
            Self::Nothing | Self::Chain(_) => false,
            Self::ChainAndName(_) => true,
        }
    }
}

/// What a server asks of its clients.
#[derive(Debug, Clone)]
pub enum ClientVerification {
    /// No certificate.
    Nothing,
    /// A certificate, which a client need not have. One that it shows has to lead to a trust anchor
    /// (or be one) and has to be meant for clients; or whatever else the trust consists in.
    Optional(Trust),
    /// The same, and no client gets in without.
    Required(Trust),
}

impl ClientVerification {
    /// Whether clients are asked for a certificate.
    pub(crate) fn asks(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// What is asked, and a digest of what the answer is verified by.
    pub(crate) fn digest(&self) -> [u8; 33] {
        let (kind, trust) = match self {
            Self::Nothing => (0, [0; 32]),
            Self::Optional(trust) => (1, *trust.digest()),
            Self::Required(trust) => (2, *trust.digest()),
        };
        let mut digest = [kind; 33];
        digest[1..].copy_from_slice(&trust);
        digest
    }
}

// Numbers of include/openssl/x509_vfy.h.
const CERT_REVOKED: i32 = 23;
const CERT_REJECTED: i32 = 28;
const HOSTNAME_MISMATCH: i32 = 62;
const EE_KEY_TOO_SMALL: i32 = 66;

/// What one handshake has to find out about its peer, and what it found.
struct Examination {
    /// What the peer is.
    role: Role,
    name: Option<PeerName>,
    refused: OnceCell<Failure>,
    /// When the first of the certificates that were accepted expires, in seconds since 1970.
    expiry: AtomicI64,
}

fn index() -> Result<Index<Ssl, Examination>, ErrorStack> {
    static INDEX: OnceCell<Index<Ssl, Examination>> = OnceCell::new();
    INDEX.get_or_try_init(Ssl::new_ex_index).copied()
}

/// Sets the rules of `verification` on a client's context.
pub(crate) fn demand_of_server(
    context: &mut SslContextBuilder,
    verification: &Verification,
) -> Result<(), ConfigError> {
    match verification {
        Verification::Nothing => {
            context.set_verify(SslVerifyMode::NONE);
            Ok(())
        }
        Verification::ChainAndName(trust) if trust.anchors().is_none() => {
            Err(ConfigError::NameWithoutAnchors)
        }
        Verification::Chain(trust) | Verification::ChainAndName(trust) => {
            Ok(demand(context, trust, SslVerifyMode::PEER)?)
        }
    }
}

/// Sets the rules of `verification` on a server's context.
pub(crate) fn demand_of_client(
    context: &mut SslContextBuilder,
    verification: &ClientVerification,
) -> Result<(), ErrorStack> {
    match verification {
        ClientVerification::Nothing => {
            context.set_verify(SslVerifyMode::NONE);
            Ok(())
        }
        ClientVerification::Optional(trust) => demand(context, trust, SslVerifyMode::PEER),
        ClientVerification::Required(trust) => {
            demand(context, trust, SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT)
        }
    }
}

fn demand(
    context: &mut SslContextBuilder,
    trust: &Trust,
    mode: SslVerifyMode,
) -> Result<(), ErrorStack> {
    let index = index()?;
    if let Some(anchors) = trust.anchors() {
        // An intermediate or a peer's own certificate can be an anchor, not only a self-signed root.
        let mut flags = X509VerifyFlags::PARTIAL_CHAIN;
        match trust.lists() {
            None => ffi::set_verify_store(context, anchors.store()),
            Some(lists) => {
                flags |= X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
                let store = lists.store_with(anchors)?;
                ffi::set_verify_store(context, &store);
            }
        }
        context.verify_param_mut().set_flags(flags)?;
    }
    let trust = trust.clone();
    context.set_verify_callback(mode, move |accepted, store| {
        // rust-openssl's trampoline lets a panic through to C.
        catch_unwind(AssertUnwindSafe(|| verify(index, &trust, accepted, store))).unwrap_or(false)
    });
    Ok(())
}

/// Tells one handshake what its peer has to be: a server, of this name if there is one, or a client.
pub(crate) fn begin(
    ssl: &mut SslRef,
    role: Role,
    name: Option<&PeerName>,
) -> Result<(), ErrorStack> {
    let name = name.cloned();
    let (refused, expiry) = (OnceCell::new(), AtomicI64::new(i64::MAX));
    ssl.set_ex_data(index()?, Examination { role, name, refused, expiry });
    Ok(())
}

/// When the first of the peer's certificates expires, or of the lists that say that it was not taken
/// back, in seconds since 1970; never, if none was verified.
pub(crate) fn expiry(ssl: &SslRef) -> i64 {
    let examination = index().ok().and_then(|index| ssl.ex_data(index));
    examination.map_or(i64::MAX, |it| it.expiry.load(Ordering::Relaxed))
}

/// Why the peer's certificate was refused, if it was.
pub(crate) fn refusal(ssl: &SslRef) -> Option<&Failure> {
    ssl.ex_data(index().ok()?)?.refused.get()
}

/// The verdict on one certificate of the chain: OpenSSL's, unless the pins alone decide, and on the
/// peer's own also the name and the pins.
fn verify(
    index: Index<Ssl, Examination>,
    trust: &Trust,
    accepted: bool,
    store: &mut X509StoreContextRef,
) -> bool {
    let Some(examination) = examination(index, store) else {
        return false;
    };
    let Some(failure) = examination.objection(trust, accepted, store) else {
        if !accepted {
            // Otherwise it would stay the result of the whole.
            store.set_error(X509VerifyResult::OK);
        } else if trust.anchors().is_some() {
            examination.note_expiry(trust, store);
        }
        return true;
    };
    let verdict = match failure.reason() {
        Reason::HostnameMismatch => Some(HOSTNAME_MISMATCH),
        Reason::PinMismatch => Some(CERT_REJECTED),
        Reason::CertificateRevoked => Some(CERT_REVOKED),
        // Not the alert for an expired certificate or an unknown authority: the peer can do nothing.
        Reason::RevocationUnknown => Some(CRL_PATH_VALIDATION_ERROR),
        _ => None,
    };
    let _the_first_stays = examination.refused.set(failure);
    if let Some(verdict) = verdict {
        // OpenSSL chooses its alert by this.
        store.set_error(ffi::verify_result(verdict));
    }
    false
}

fn examination(
    index: Index<Ssl, Examination>,
    store: &X509StoreContextRef,
) -> Option<&Examination> {
    store.ex_data(X509StoreContext::ssl_idx().ok()?)?.ex_data(index)
}

impl Examination {
    /// What is wrong with the certificate that OpenSSL is looking at, if anything is.
    fn objection(
        &self,
        trust: &Trust,
        accepted: bool,
        store: &X509StoreContextRef,
    ) -> Option<Failure> {
        let Some(certificate) = store.current_cert() else {
            return Some(Failure::NotAdmitted("OpenSSL does not say which certificate it means"));
        };
        if let Some(problem) = self.problem(trust, accepted, store, certificate) {
            return Some(Failure::Certificate { problem, subject: names_of(certificate) });
        }
        // OpenSSL accepts the peer's own certificate at the end, after all the others.
        if !accepted || store.error_depth() > 0 {
            return None;
        }
        // OpenSSL has the whole chain by now. Without it, nothing says that the common name may count.
        let common_name = store.chain().map_or(CommonName::NeverCounts, CommonName::in_chain);
        let wanted = self.name.as_ref().filter(|wanted| !wanted.matches(certificate, common_name));
        let mismatch = wanted.map(|wanted| Failure::HostnameMismatch {
            wanted: wanted.to_string(),
            presented: names_compared(certificate, common_name),
        });
        mismatch.or_else(|| trust.objection(certificate))
    }

    /// What is wrong with `certificate` in its chain.
    fn problem(
        &self,
        trust: &Trust,
        accepted: bool,
        store: &X509StoreContextRef,
        certificate: &X509Ref,
    ) -> Option<CertificateProblem> {
        let verdict = store.error();
        if let Some(lists) = trust.lists() {
            let depth = usize::try_from(store.error_depth()).unwrap_or(usize::MAX);
            let position = ChainPosition::new(depth, store.chain().map_or(0, |chain| chain.len()));
            // OpenSSL looks up nothing if it signed itself.
            let unlisted = accepted && position == ChainPosition::OwnAndLast;
            if unlisted || !accepted && is_about_a_list(verdict) {
                return lists.problem(verdict, certificate, position);
            }
        }
        // A pin stands for the chain, and for what is wrong with it. It does not make a key stronger.
        let counts = trust.anchors().is_some() || verdict.as_raw() == EE_KEY_TOO_SMALL;
        let problem = || CertificateProblem::new(verdict, Some(certificate), self.role);
        (!accepted && counts).then(problem)
    }

    /// Notes until when the certificate is valid that OpenSSL is looking at, and the lists that say so.
    fn note_expiry(&self, trust: &Trust, store: &X509StoreContextRef) {
        let certificate = store.current_cert();
        let end = certificate.and_then(|certificate| seconds_since_1970(certificate.not_after()));
        let lists = certificate.zip(trust.lists());
        let listed = lists.map_or(i64::MAX, |(certificate, lists)| lists.expiry(certificate));
        // Unknown is over.
        let expiry = end.unwrap_or(0).min(listed);
        self.expiry.fetch_min(expiry, Ordering::Relaxed);
    }
}
