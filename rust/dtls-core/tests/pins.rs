//! Pins: when they are needed beside a chain, when they stand for it, and what they do not excuse.

mod support;

use std::sync::LazyLock;

use dtls_core::{
    CertificateProblem, ClientVerification, ConfigError, Failure, Pins, Reason, ServerConfig,
    Session, Status, Trust, Verification,
};
use openssl::base64;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::sha::sha256;
use openssl::x509::X509;
use openssl::x509::extension::BasicConstraints;
use support::link::{End, Link, Server, ToClient, ToServer, connect};
use support::pki::Rebuild as _;
use support::pki::fingerprint;
use support::raw::{self, Raw};
use support::{clock, pki, records};
use test_pki::{
    Authority, HOSTILE_COMMON_NAME, Issued, Key, Profile, Usage, Validity, self_signed,
};

const BAD_CERTIFICATE: u8 = 42;
const CERTIFICATE_EXPIRED: u8 = 45;
const UNKNOWN_CA: u8 = 48;

/// A server of a developer who has no authority.
static LONELY: LazyLock<Issued> = LazyLock::new(|| self_signed(Profile::localhost()));

fn certificate(pem: &str) -> X509 {
    X509::from_pem(pem.as_bytes()).expect("a certificate")
}

fn key_pin(pem: &str) -> String {
    let key = certificate(pem).public_key().and_then(|key| key.public_key_to_der());
    format!("spki:{}", base64::encode_block(&sha256(&key.expect("a key"))))
}

fn pins(pins: &[String]) -> Pins {
    Pins::parse(pins.iter().map(String::as_str)).expect("pins")
}

/// Trust in the own certificate of `issued`, whatever else there is to say about it.
fn pinned(issued: &Issued) -> Trust {
    Trust::pinned(pins(&[fingerprint(&issued.cert_pem)]))
}

/// A client that looks at no name.
fn client(trust: Trust) -> pki::Client {
    pki::Client::new(Verification::Chain(trust), None).expect("a usable configuration")
}

/// A client that expects localhost.
fn named(trust: Trust) -> pki::Client {
    let name = pki::name("localhost");
    pki::Client::new(Verification::ChainAndName(trust), Some(name)).expect("a usable configuration")
}

fn with_client(verification: ClientVerification) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_verification(verification))
        .expect("a usable configuration")
}

fn assert_accepted(server: &ServerConfig, client: &pki::Client) {
    Link::established(server, client).assert_data_flows();
}

/// Why `client` refuses `server`, having told it by `alert`.
fn refusal(server: &ServerConfig, client: &pki::Client, alert: u8) -> Failure {
    let mut link = Link::new(server, client);
    link.run();
    assert_eq!(link.server.session().failure(), Some(&Failure::PeerAlert(alert)), "the alert");
    assert_eq!(clock::elapsed().as_millis(), 0, "both know at once");
    link.client.failure().expect("it is refused").clone()
}

fn mismatch(issued: &Issued) -> Failure {
    let presented = format!("{} or {}", fingerprint(&issued.cert_pem), key_pin(&issued.cert_pem));
    Failure::PinMismatch { presented }
}

/// Certificates that no chain and no name would let in, for a server or for a client.
fn outlaws() -> [Issued; 6] {
    let nobody = Authority::root("Nobody");
    [
        self_signed(Profile::localhost()),
        self_signed(Profile::localhost().validity(Validity::Expired)),
        self_signed(Profile::new("x").dns("game.example").validity(Validity::NotYetValid)),
        self_signed(Profile::new("x").usage(Usage::Client)),
        self_signed(Profile::new("x").usage(Usage::Server)),
        nobody.intermediate("Between").issue(Profile::new("x").validity(Validity::Expired)),
    ]
}

#[test]
fn a_pin_alone_is_enough() {
    for issued in outlaws() {
        for pin in [fingerprint(&issued.cert_pem), key_pin(&issued.cert_pem)] {
            assert_accepted(&pki::server(&issued), &client(Trust::pinned(pins(&[pin]))));
        }
    }
}

#[test]
fn another_certificate_is_refused_with_its_pins_to_copy() {
    let other = self_signed(Profile::localhost());
    let client = client(pinned(&LONELY));
    let failure = refusal(&pki::server(&other), &client, BAD_CERTIFICATE);
    assert_eq!(failure, mismatch(&other));
    assert_eq!(failure.reason(), Reason::PinMismatch);
    let text = format!(
        "the certificate is not one of those that are pinned; its own pin is {} or {}",
        fingerprint(&other.cert_pem),
        key_pin(&other.cert_pem)
    );
    assert_eq!(failure.to_string(), text);
    assert_accepted(&pki::server(&LONELY), &client);
}

#[test]
fn a_trusted_certificate_is_refused_where_another_is_pinned() {
    let failure = refusal(&pki::localhost(), &client(pinned(&LONELY)), BAD_CERTIFICATE);
    assert_eq!(failure, mismatch(&pki::LOCALHOST));
}

#[test]
fn one_pin_of_several_is_enough() {
    let next = self_signed(Profile::localhost());
    let both = pins(&[key_pin(&next.cert_pem), fingerprint(&LONELY.cert_pem)]);
    let client = client(Trust::pinned(both));
    for issued in [&*LONELY, &next] {
        assert_accepted(&pki::server(issued), &client);
    }
    let third = self_signed(Profile::localhost());
    assert_eq!(refusal(&pki::server(&third), &client, BAD_CERTIFICATE), mismatch(&third));
}

#[test]
fn the_pin_of_a_key_outlives_its_certificate() {
    let renewed = self_signed(Profile::localhost().key(Key::FromPem(LONELY.key_pem.clone())));
    let by_key = client(Trust::pinned(pins(&[key_pin(&LONELY.cert_pem)])));
    assert_accepted(&pki::server(&renewed), &by_key);
    let whole = client(pinned(&LONELY));
    assert_eq!(refusal(&pki::server(&renewed), &whole, BAD_CERTIFICATE), mismatch(&renewed));
}

#[test]
fn every_kind_of_key_can_be_pinned() {
    for key in [Key::P384, Key::FromPem(pki::rsa_key(2048))] {
        let issued = self_signed(Profile::localhost().key(key));
        let client = client(Trust::pinned(pins(&[key_pin(&issued.cert_pem)])));
        assert_accepted(&pki::server(&issued), &client);
    }
}

#[test]
fn the_pin_of_an_authority_is_none_of_its_certificates() {
    let between = pki::ROOT.intermediate("Between");
    let issued = between.issue(Profile::localhost());
    for authority in [between.cert_pem(), pki::ROOT.cert_pem()] {
        let both = || pins(&[fingerprint(&authority), key_pin(&authority)]);
        let alone = client(Trust::pinned(both()));
        assert_eq!(refusal(&pki::server(&issued), &alone, BAD_CERTIFICATE), mismatch(&issued));
        let too = named(pki::trust(&pki::ROOT.cert_pem()).with_pins(both()));
        assert_eq!(refusal(&pki::server(&issued), &too, BAD_CERTIFICATE), mismatch(&issued));
    }
}

#[test]
fn what_a_server_sends_beside_its_own_certificate_does_not_matter() {
    let expired = pki::ROOT.issue(Profile::new("x").validity(Validity::Expired));
    let nobody = Authority::root("Nobody");
    let weak = pki::self_signed_with(&pki::ec_key(Nid::SECP384R1), MessageDigest::sha1());
    let mut issued = nobody.intermediate("Between").issue(Profile::localhost());
    issued.intermediates_pem.extend([nobody.cert_pem(), expired.cert_pem, weak.cert_pem]);
    assert_accepted(&pki::server(&issued), &client(pinned(&issued)));
}

#[test]
fn an_issuer_that_is_too_weak_does_not_matter() {
    let issued = Authority::root("localhost").issue(Profile::localhost());
    // It has the name of the issuer, and OpenSSL takes it for that.
    let weak = pki::ec_key(Nid::X9_62_PRIME192V1);
    let is_authority = BasicConstraints::new().ca().build().expect("an extension");
    let weak = pki::self_signed_for(&weak, MessageDigest::sha256(), Some(is_authority));
    let reached = |trust: Trust| {
        let mut context = raw::context_of(&issued);
        context.add_extra_chain_cert(certificate(&weak.cert_pem)).expect("level 0 takes any");
        let mut link = Link::between(connect(&client(trust)), Raw::server(context));
        link.run();
        (link.client.status(), link.client.failure().map(Failure::reason))
    };
    let refused = (Status::Failed, Some(Reason::CertificateTooWeak));
    assert_eq!(reached(pki::trust(&weak.cert_pem)), refused);
    assert_eq!(reached(pinned(&issued)), (Status::Connected, None));
}

#[test]
fn the_pinned_certificate_is_worth_nothing_in_another_server_s_chain() {
    let mut other = self_signed(Profile::localhost());
    other.intermediates_pem.push(LONELY.cert_pem.clone());
    let both = pins(&[fingerprint(&LONELY.cert_pem), key_pin(&LONELY.cert_pem)]);
    let failure = refusal(&pki::server(&other), &client(Trust::pinned(both)), BAD_CERTIFICATE);
    assert_eq!(failure, mismatch(&other));
}

#[test]
fn a_pinned_certificate_without_its_key_is_refused() {
    let mut link = Link::new(&pki::server(&LONELY), &client(pinned(&LONELY)));
    link.each(|direction, datagram| {
        let mut bytes = datagram.bytes.clone();
        if direction == ToClient {
            spoil(&mut bytes, records::SERVER_KEY_EXCHANGE);
        }
        vec![bytes]
    });
    link.run();
    assert_eq!(link.client.failure().map(Failure::reason), Some(Reason::Protocol));
    assert_ne!(link.server.session().status(), Status::Connected);
}

/// Changes the end of each message of this kind, where its signature is.
fn spoil(datagram: &mut [u8], kind: u8) {
    let mut at = 0;
    while at < datagram.len() {
        let length = records::split(&datagram[at..])[0].len();
        if records::message(&datagram[at..]) == Some(kind) {
            datagram[at + length - 1] ^= 1;
        }
        at += length;
    }
}

#[test]
fn a_pinned_key_that_is_too_weak_is_refused() {
    let issued = pki::self_signed_with(&pki::rsa_key(1024), MessageDigest::sha256());
    for pin in [fingerprint(&issued.cert_pem), key_pin(&issued.cert_pem)] {
        let client = client(Trust::pinned(pins(&[pin])));
        let mut link = Link::between(connect(&client), Raw::server(raw::context_of(&issued)));
        link.run();
        let failure = link.client.failure().expect("it is refused");
        let Failure::Certificate { problem, .. } = failure else { panic!("{failure:?}") };
        assert!(matches!(problem, CertificateProblem::TooWeak(_)), "{problem:?}");
    }
}

#[test]
fn beside_trust_anchors_chain_name_and_pin_are_all_needed() {
    let trusting = |pinned: &Issued| {
        named(pki::trust(&pki::ROOT.cert_pem()).with_pins(pins(&[key_pin(&pinned.cert_pem)])))
    };
    assert_accepted(&pki::localhost(), &trusting(&pki::LOCALHOST));

    let failure = refusal(&pki::localhost(), &trusting(&LONELY), BAD_CERTIFICATE);
    assert_eq!(failure, mismatch(&pki::LOCALHOST));

    let reason =
        |issued: &Issued, alert| refusal(&pki::server(issued), &trusting(issued), alert).reason();
    assert_eq!(reason(&LONELY, UNKNOWN_CA), Reason::CertificateSelfSigned);
    let untrusted = Authority::root("Nobody").issue(Profile::localhost());
    assert_eq!(reason(&untrusted, UNKNOWN_CA), Reason::CertificateUntrusted);
    let expired = pki::ROOT.issue(Profile::localhost().validity(Validity::Expired));
    assert_eq!(reason(&expired, CERTIFICATE_EXPIRED), Reason::CertificateExpired);
    let elsewhere = pki::ROOT.issue(Profile::new("x").dns("game.example"));
    assert_eq!(reason(&elsewhere, BAD_CERTIFICATE), Reason::HostnameMismatch);
}

#[test]
fn a_pin_is_needed_also_for_a_certificate_that_is_trusted_itself() {
    let trust = |pinned: &Issued| {
        client(pki::trust(&LONELY.cert_pem).with_pins(pins(&[fingerprint(&pinned.cert_pem)])))
    };
    assert_accepted(&pki::server(&LONELY), &trust(&LONELY));
    let failure = refusal(&pki::server(&LONELY), &trust(&pki::LOCALHOST), BAD_CERTIFICATE);
    assert_eq!(failure, mismatch(&LONELY));
}

#[test]
fn pins_that_are_given_later_replace_the_first() {
    let of = |issued: &Issued| pins(&[fingerprint(&issued.cert_pem)]);
    let client = client(pinned(&pki::LOCALHOST).with_pins(of(&LONELY)));
    assert_accepted(&pki::server(&LONELY), &client);
    refusal(&pki::localhost(), &client, BAD_CERTIFICATE);
}

#[test]
fn a_name_cannot_be_verified_by_a_pin() {
    let verification = Verification::ChainAndName(pinned(&LONELY));
    let refused = pki::Client::new(verification, None).map(|_| ()).expect_err("it is refused");
    assert_eq!(refused, ConfigError::NameWithoutAnchors);
    let sentence = "a host name can only be verified together with trusted certificates";
    assert!(refused.to_string().starts_with(sentence), "{refused}");
}

#[test]
fn a_server_can_pin_its_clients() {
    for own in outlaws() {
        for pin in [fingerprint(&own.cert_pem), key_pin(&own.cert_pem)] {
            let trust = Trust::pinned(pins(&[pin]));
            for verification in
                [ClientVerification::Required(trust.clone()), ClientVerification::Optional(trust)]
            {
                assert_accepted(&with_client(verification), &pki::showing(&own));
            }
        }
    }
}

#[test]
fn a_client_that_is_not_pinned_is_refused() {
    let (own, other) = (self_signed(Profile::new("a")), self_signed(Profile::new("b")));
    for demand in [ClientVerification::Required, ClientVerification::Optional] {
        let server = with_client(demand(pinned(&own)));
        let failure = Link::refusal(&server, &pki::showing(&other), BAD_CERTIFICATE);
        assert_eq!(failure, mismatch(&other));
    }
}

#[test]
fn a_client_without_a_certificate_matches_no_pin() {
    let own = self_signed(Profile::new("a"));
    assert_accepted(&with_client(ClientVerification::Optional(pinned(&own))), &pki::verifying());
    const HANDSHAKE_FAILURE: u8 = 40;
    let required = with_client(ClientVerification::Required(pinned(&own)));
    let failure = Link::refusal(&required, &pki::verifying(), HANDSHAKE_FAILURE);
    assert_eq!(failure, Failure::NoClientCertificate);
}

#[test]
fn a_server_with_an_authority_needs_the_pin_of_its_client_too() {
    let players = Authority::root("Players");
    let player = || players.issue(Profile::new("player-17").usage(Usage::Client));
    let (own, other) = (player(), player());
    for demand in [ClientVerification::Required, ClientVerification::Optional] {
        let by_pin = pins(&[key_pin(&own.cert_pem)]);
        let server = with_client(demand(pki::trust(&players.cert_pem()).with_pins(by_pin)));
        assert_accepted(&server, &pki::showing(&own));
        let failure = Link::refusal(&server, &pki::showing(&other), BAD_CERTIFICATE);
        assert_eq!(failure, mismatch(&other));
    }
    let alone = self_signed(Profile::new("player-17").usage(Usage::Client));
    let by_pin = pins(&[key_pin(&alone.cert_pem)]);
    let trust = pki::trust(&players.cert_pem()).with_pins(by_pin);
    let server = with_client(ClientVerification::Required(trust));
    let failure = Link::refusal(&server, &pki::showing(&alone), UNKNOWN_CA);
    assert_eq!(failure.reason(), Reason::CertificateSelfSigned);
}

#[test]
fn a_pinned_client_without_its_key_is_refused() {
    let own = self_signed(Profile::new("a"));
    for demand in [ClientVerification::Required, ClientVerification::Optional] {
        let mut link = Link::new(&with_client(demand(pinned(&own))), &pki::showing(&own));
        link.each(|direction, datagram| {
            const CERTIFICATE_VERIFY: u8 = 15;
            let mut bytes = datagram.bytes.clone();
            if direction == ToServer {
                spoil(&mut bytes, CERTIFICATE_VERIFY);
            }
            vec![bytes]
        });
        link.run();
        let session = link.server.session();
        assert_eq!(session.failure().map(Failure::reason), Some(Reason::Protocol));
        assert_ne!(link.client.status(), Status::Connected);
    }
}

/// What comes of `client` meeting `server` again.
fn meet(server: Server, client: &pki::Client) -> Link<Session, Server> {
    let mut link = Link::between(connect(client), server.vacated());
    link.run();
    link
}

#[test]
fn a_session_with_a_pin_is_resumed() {
    // Its dates were not looked at before either.
    let expired = self_signed(Profile::localhost().validity(Validity::Expired));
    let client = client(pinned(&expired));
    let link = Link::established(&pki::server(&expired), &client);
    let again = meet(link.server, &client);
    assert!(again.client.is_resumed());
    assert_eq!(again.client.peer_fingerprint(), Some(fingerprint(&expired.cert_pem)));
}

#[test]
fn a_client_with_other_pins_does_not_resume() {
    let lax = client(pinned(&LONELY));
    let link = Link::established(&pki::server(&LONELY), &lax);
    let strict = client(pinned(&pki::LOCALHOST));
    let link = meet(link.server, &strict);
    assert_eq!(link.client.failure(), Some(&mismatch(&LONELY)));
}

#[test]
fn a_server_with_other_pins_does_not_resume() {
    let own = self_signed(Profile::new("a"));
    let other = fingerprint(&pki::LOCALHOST.cert_pem);
    let demanding =
        |pinned: &[String]| with_client(ClientVerification::Optional(Trust::pinned(pins(pinned))));
    let both = [fingerprint(&own.cert_pem), other.clone()];
    let client = pki::showing(&own);
    let link = Link::established(&demanding(&both), &client);

    let mut server = link.server;
    let turned = [both[1].clone(), both[0].clone()];
    server.listener.set_config(demanding(&turned));
    let mut link = meet(server, &client);
    assert!(link.client.is_resumed(), "the same pins in another order");
    assert_eq!(link.server.session().peer_fingerprint(), Some(fingerprint(&own.cert_pem)));

    let mut server = link.server;
    server.listener.set_config(demanding(&both[..1]));
    let mut link = meet(server, &client);
    link.assert_connected();
    assert!(!link.client.is_resumed(), "it is looked at anew");

    let mut server = link.server;
    server.listener.set_config(demanding(&[other]));
    let mut link = meet(server, &client);
    assert_eq!(link.server.session().failure(), Some(&mismatch(&own)));
    assert_ne!(link.client.status(), Status::Connected);
}

#[test]
fn a_server_that_begins_to_pin_does_not_resume() {
    let players = Authority::root("Players");
    let own = players.issue(Profile::new("player-17").usage(Usage::Client));
    let trust = || pki::trust(&players.cert_pem());
    let client = pki::showing(&own);
    let link = Link::established(&with_client(ClientVerification::Required(trust())), &client);
    let mut server = link.server;
    let too = trust().with_pins(pins(&[fingerprint(&LONELY.cert_pem)]));
    server.listener.set_config(with_client(ClientVerification::Required(too)));
    let mut link = meet(server, &client);
    assert_eq!(link.server.session().failure(), Some(&mismatch(&own)));
}

#[test]
fn a_connected_session_tells_about_its_peer() {
    let issued = pki::ROOT.intermediate("Between").issue(Profile::localhost());
    let own = pki::ROOT.intermediate("Below").issue(Profile::new("player-17").usage(Usage::Client));
    let required = ClientVerification::Required(pki::trust(&pki::ROOT.cert_pem()));
    let server = pki::server(&issued).rebuild(|it| it.with_verification(required)).expect("usable");
    let client = pki::showing(&own);

    let mut link = Link::new(&server, &client);
    assert_eq!(told(&link.client), (Vec::new(), None, None), "before the handshake");
    link.run();
    link.assert_connected();
    let of = |issued: &Issued, name: &str| {
        let chain = [&issued.cert_pem].into_iter().chain(&issued.intermediates_pem);
        let chain: Vec<String> = chain.cloned().collect();
        (chain, Some(fingerprint(&issued.cert_pem)), Some(name.to_owned()))
    };
    assert_eq!(told(&link.client), of(&issued, "localhost"));
    assert_eq!(told(link.server.session()), of(&own, "player-17"));
    let shown = link.client.peer_fingerprint().expect("a fingerprint");
    assert_accepted(&pki::server(&issued), &self::client(Trust::pinned(pins(&[shown]))));

    let mut again = meet(link.server, &client);
    again.assert_connected();
    assert!(again.client.is_resumed());
    assert_eq!(told(&again.client), of(&issued, "localhost"), "a client keeps what it was sent");
    let (chain, fingerprint, name) = of(&own, "player-17");
    let leaf = (vec![chain[0].clone()], fingerprint, name);
    assert_eq!(told(again.server.session()), leaf, "a ticket has the client's own only");

    again.client.close();
    assert_eq!(told(&again.client), (Vec::new(), None, None), "after the end");
}

fn told(session: &Session) -> (Vec<String>, Option<String>, Option<String>) {
    let pem = session.peer_certificates_pem();
    (pem, session.peer_fingerprint(), session.peer_common_name())
}

#[test]
fn a_client_without_a_certificate_is_told_as_such() {
    for server in [
        pki::localhost(),
        with_client(ClientVerification::Optional(pki::trust(&pki::ROOT.cert_pem()))),
    ] {
        let mut link = Link::established(&server, &pki::verifying());
        assert_eq!(told(link.server.session()), (Vec::new(), None, None));
    }
}

#[test]
fn the_name_of_a_peer_is_fit_to_be_shown() {
    let hostile = self_signed(Profile::new(HOSTILE_COMMON_NAME));
    let link = Link::established(&pki::server(&hostile), &client(pinned(&hostile)));
    let name = link.client.peer_common_name().expect("a common name");
    assert_eq!(name, "evil\\u{1b}[31m\\nERROR: all is lost\\r\\u{7}");
    let long = self_signed(Profile::new("x".repeat(5000)));
    let link = Link::established(&pki::server(&long), &client(pinned(&long)));
    let name = link.client.peer_common_name().expect("a common name");
    assert_eq!(name.chars().count(), 201);
}

#[test]
fn a_chain_of_a_peer_begins_with_its_own_certificate_once() {
    let mut issued = self_signed(Profile::localhost());
    issued.intermediates_pem = vec![issued.cert_pem.clone(), pki::ROOT.cert_pem()];
    let mut link = Link::established(&pki::server(&issued), &client(pinned(&issued)));
    let expected = [issued.cert_pem, pki::ROOT.cert_pem()];
    assert_eq!(link.client.peer_certificates_pem(), expected);
    assert_eq!(link.client.take().len() + link.server.take().len(), 0);
}
