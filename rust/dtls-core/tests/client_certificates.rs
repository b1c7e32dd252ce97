//! Certificates of clients: whom a server lets in, what it says about the others, and what they hear.

mod support;

use std::sync::LazyLock;

use dtls_core::{
    CertificateProblem, ClientVerification, Failure, Reason, Role, ServerConfig, Status,
};
use support::link::{Link, ToServer};
use support::pki::Rebuild as _;
use support::{pki, records};
use test_pki::{Authority, Issued, Key, Profile, Usage, Validity, self_signed};

const HANDSHAKE_FAILURE: u8 = 40;
const BAD_CERTIFICATE: u8 = 42;
const UNSUPPORTED_CERTIFICATE: u8 = 43;
const CERTIFICATE_EXPIRED: u8 = 45;
const UNKNOWN_CA: u8 = 48;

/// The authority of the players. It is not that of the servers.
static PLAYERS: LazyLock<Authority> = LazyLock::new(|| Authority::root("Players"));

fn player() -> Profile {
    Profile::new("player-17").usage(Usage::Client)
}

fn required() -> ClientVerification {
    ClientVerification::Required(pki::trust(&PLAYERS.cert_pem()))
}

fn optional() -> ClientVerification {
    ClientVerification::Optional(pki::trust(&PLAYERS.cert_pem()))
}

fn server(verification: ClientVerification) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_verification(verification))
        .expect("a usable configuration")
}

fn assert_accepted(server: &ServerConfig, client: &pki::Client) {
    Link::established(server, client).assert_data_flows();
}

/// The same, when the certificate itself is at fault; for a server that requires one, and for one that
/// does not: a certificate that is shown has to be good.
fn problem(issued: &Issued, alert: u8) -> CertificateProblem {
    let problems = [required(), optional()].map(|verification| {
        match Link::refusal(&server(verification), &pki::showing(issued), alert) {
            Failure::Certificate { problem, .. } => problem,
            other => panic!("another failure: {other:?}"),
        }
    });
    assert_eq!(problems[0], problems[1]);
    problems[0].clone()
}

#[test]
fn a_client_with_a_certificate_of_the_authority_is_let_in() {
    let own = PLAYERS.issue(player());
    for verification in [required(), optional()] {
        assert_accepted(&server(verification), &pki::showing(&own));
    }
}

#[test]
fn every_kind_of_key_works() {
    for key in [Key::P384, Key::FromPem(pki::rsa_key(2048)), Key::FromPem(pki::rsa_key(4096))] {
        let own = PLAYERS.issue(player().key(key));
        assert_accepted(&server(required()), &pki::showing(&own));
    }
}

#[test]
fn leaf_and_intermediates_are_sent() {
    let own = PLAYERS.intermediate("Between").intermediate("Below").issue(player());
    assert_accepted(&server(required()), &pki::showing(&own));
    let alone = Issued { intermediates_pem: Vec::new(), ..own };
    assert_eq!(problem(&alone, UNKNOWN_CA), CertificateProblem::Untrusted);
}

#[test]
fn a_certificate_without_a_usage_is_good_for_a_client() {
    let own = PLAYERS.issue(player().usage(Usage::Any));
    assert_accepted(&server(required()), &pki::showing(&own));
}

#[test]
fn one_client_s_own_certificate_can_be_trusted() {
    let own = self_signed(player());
    let only = ClientVerification::Required(pki::trust(&own.cert_pem));
    assert_accepted(&server(only.clone()), &pki::showing(&own));
    let other = self_signed(player());
    let failure = Link::refusal(&server(only), &pki::showing(&other), UNKNOWN_CA);
    assert!(matches!(failure, Failure::Certificate { .. }), "{failure:?}");
}

#[test]
fn a_client_without_a_certificate_gets_in_only_where_none_is_required() {
    assert_accepted(&server(optional()), &pki::verifying());
    let failure = Link::refusal(&server(required()), &pki::verifying(), HANDSHAKE_FAILURE);
    assert_eq!(failure, Failure::NoClientCertificate);
    assert_eq!(failure.reason(), Reason::ClientCertificateRequired);
}

#[test]
fn a_certificate_is_not_shown_to_a_server_that_does_not_ask() {
    let own = PLAYERS.issue(player());
    let mut link = Link::new(&pki::localhost(), &pki::showing(&own));
    link.run();
    link.assert_connected();
    let shown = link.sent(ToServer).into_iter().flat_map(records::split);
    let certificates =
        shown.filter(|record| records::message(record) == Some(records::CERTIFICATE));
    assert_eq!(certificates.count(), 0);
}

#[test]
fn untrusted() {
    let issued = pki::ROOT.issue(player());
    assert_eq!(problem(&issued, UNKNOWN_CA), CertificateProblem::Untrusted);
}

#[test]
fn an_authority_of_the_same_name_is_not_the_same() {
    let issued = Authority::root("Players").issue(player());
    assert_eq!(problem(&issued, UNKNOWN_CA), CertificateProblem::Untrusted);
}

#[test]
fn self_signed_and_not_trusted() {
    assert_eq!(problem(&self_signed(player()), UNKNOWN_CA), CertificateProblem::SelfSigned);
}

#[test]
fn expired() {
    let issued = PLAYERS.issue(player().validity(Validity::Expired));
    let problem = problem(&issued, CERTIFICATE_EXPIRED);
    assert!(matches!(problem, CertificateProblem::Expired(_)), "{problem:?}");
}

#[test]
fn not_yet_valid() {
    let issued = PLAYERS.issue(player().validity(Validity::NotYetValid));
    let problem = problem(&issued, BAD_CERTIFICATE);
    assert!(matches!(problem, CertificateProblem::NotYetValid(_)), "{problem:?}");
}

#[test]
fn a_server_s_certificate_is_not_a_client_s() {
    let issued = PLAYERS.issue(player().usage(Usage::Server));
    let problem = problem(&issued, UNSUPPORTED_CERTIFICATE);
    assert_eq!(problem, CertificateProblem::WrongPurpose(Role::Client));
    assert!(problem.to_string().starts_with("is not meant for a client"), "{problem}");
}

#[test]
fn a_certificate_without_proof_of_its_key_is_refused() {
    let own = PLAYERS.issue(player());
    for verification in [required(), optional()] {
        let mut link = Link::new(&server(verification), &pki::showing(&own));
        link.each(|direction, datagram| {
            const CERTIFICATE_VERIFY: u8 = 15;
            let mut bytes = datagram.bytes.clone();
            let mut at = 0;
            while direction == ToServer && at < bytes.len() {
                let length = records::split(&bytes[at..])[0].len();
                if records::message(&bytes[at..]) == Some(CERTIFICATE_VERIFY) {
                    // The end of the signature.
                    bytes[at + length - 1] ^= 1;
                }
                at += length;
            }
            vec![bytes]
        });
        link.run();
        let session = link.server.session();
        assert_eq!(session.status(), Status::Failed);
        assert_eq!(session.failure().map(Failure::reason), Some(Reason::Protocol));
        assert_ne!(link.client.status(), Status::Connected);
    }
}

#[test]
fn what_is_demanded_anew_is_demanded_of_new_clients() {
    let mut link = Link::established(&server(optional()), &pki::verifying());
    link.server.listener.set_config(server(required()));
    link.assert_data_flows();
    let mut next = support::link::Server::new(&server(optional()));
    next.listener.set_config(server(required()));
    let mut refused = Link::between(support::link::connect(&pki::verifying()), next);
    refused.run();
    let failure = refused.server.session().failure();
    assert_eq!(failure, Some(&Failure::NoClientCertificate));
}
