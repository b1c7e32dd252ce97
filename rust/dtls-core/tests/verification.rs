//! What a client refuses, what it says about it, and what its server hears.

mod support;

use std::net::Ipv4Addr;

use dtls_core::{
    CertificateProblem, ConnectError, Failure, PeerName, Role, Session, Status, Verification,
};
use support::link::Link;
use support::{clock, pki};
use test_pki::{
    Authority, HOSTILE_COMMON_NAME, Issued, NameLimits, Profile, Usage, Validity, self_signed,
};

const BAD_CERTIFICATE: u8 = 42;
const UNSUPPORTED_CERTIFICATE: u8 = 43;
const CERTIFICATE_EXPIRED: u8 = 45;
const CERTIFICATE_UNKNOWN: u8 = 46;
const UNKNOWN_CA: u8 = 48;

/// Why `client` refuses a server with `issued`, having told it by `alert`.
fn refusal(issued: &Issued, client: &pki::Client, alert: u8) -> Failure {
    let mut link = Link::new(&pki::server(issued), client);
    link.run();
    assert_eq!(link.client.status(), Status::Failed, "the client");
    assert_eq!(link.server.session().status(), Status::Failed, "the server");
    assert_eq!(link.server.session().failure(), Some(&Failure::PeerAlert(alert)), "the alert");
    assert_eq!(clock::elapsed().as_millis(), 0, "both know at once");
    assert_eq!(link.client.next_timeout(), None);
    link.client.failure().expect("a reason").clone()
}

/// The same, when the certificate itself is at fault.
fn problem(issued: &Issued, client: &pki::Client, alert: u8) -> CertificateProblem {
    match refusal(issued, client, alert) {
        Failure::Certificate { problem, .. } => problem,
        other => panic!("another failure: {other:?}"),
    }
}

/// The names that were wanted and those that were found, when that is what is wrong.
fn mismatch(issued: &Issued, wanted: &str) -> (String, String) {
    let client = pki::client(&pki::ROOT.cert_pem(), wanted);
    match refusal(issued, &client, BAD_CERTIFICATE) {
        Failure::HostnameMismatch { wanted, presented } => (wanted, presented),
        other => panic!("another failure: {other:?}"),
    }
}

fn assert_accepted(issued: &Issued, client: &pki::Client) {
    Link::established(&pki::server(issued), client).assert_data_flows();
}

/// A client that trusts [`pki::ROOT`] and expects `wanted`.
fn expecting(wanted: &str) -> pki::Client {
    pki::client(&pki::ROOT.cert_pem(), wanted)
}

/// A client that trusts the certificates of `pem` and does not look at the name.
fn chain_only(pem: &str) -> pki::Client {
    pki::Client::new(Verification::Chain(pki::trust(pem)), None).expect("a configuration")
}

fn pair(wanted: &str, presented: &str) -> (String, String) {
    (wanted.to_owned(), presented.to_owned())
}

#[test]
fn expired() {
    let issued = pki::ROOT.issue(Profile::localhost().validity(Validity::Expired));
    let problem = problem(&issued, &pki::verifying(), CERTIFICATE_EXPIRED);
    let CertificateProblem::Expired(date) = &problem else { panic!("{problem:?}") };
    assert!(date.ends_with("GMT"), "{date}");
}

#[test]
fn not_yet_valid() {
    let issued = pki::ROOT.issue(Profile::localhost().validity(Validity::NotYetValid));
    let problem = problem(&issued, &pki::verifying(), BAD_CERTIFICATE);
    let CertificateProblem::NotYetValid(date) = &problem else { panic!("{problem:?}") };
    assert!(date.ends_with("GMT"), "{date}");
}

#[test]
fn self_signed_and_not_trusted() {
    let issued = self_signed(Profile::localhost());
    let problem = problem(&issued, &pki::verifying(), UNKNOWN_CA);
    assert_eq!(problem, CertificateProblem::SelfSigned);
}

#[test]
fn self_signed_and_trusted() {
    let issued = self_signed(Profile::localhost());
    assert_accepted(&issued, &pki::client(&issued.cert_pem, "localhost"));
    assert_accepted(&issued, &chain_only(&issued.cert_pem));
}

#[test]
fn trust_in_one_self_signed_certificate_is_not_trust_in_another_of_the_same_name() {
    let trusted = self_signed(Profile::localhost());
    let other = self_signed(Profile::localhost());
    let client = pki::client(&trusted.cert_pem, "localhost");
    let problem = problem(&other, &client, UNKNOWN_CA);
    assert!(
        matches!(problem, CertificateProblem::SelfSigned | CertificateProblem::Untrusted),
        "{problem:?}"
    );
}

#[test]
fn self_signed_trusted_and_expired() {
    let issued = self_signed(Profile::localhost().validity(Validity::Expired));
    let client = chain_only(&issued.cert_pem);
    let problem = problem(&issued, &client, CERTIFICATE_EXPIRED);
    assert!(matches!(problem, CertificateProblem::Expired(_)), "{problem:?}");
}

#[test]
fn untrusted() {
    let issued = Authority::root("Nobody").issue(Profile::localhost());
    let problem = problem(&issued, &pki::verifying(), UNKNOWN_CA);
    assert_eq!(problem, CertificateProblem::Untrusted);
}

#[test]
fn an_authority_of_the_same_name_is_not_the_same() {
    let issued = Authority::root("Test Root").issue(Profile::localhost());
    let failure = refusal(&issued, &pki::verifying(), UNKNOWN_CA);
    let Failure::Certificate { problem, subject } = failure else { panic!("{failure:?}") };
    assert_eq!(problem, CertificateProblem::Untrusted);
    assert_eq!(subject, "localhost, 127.0.0.1, ::1");
}

#[test]
fn missing_intermediate() {
    let mut issued = pki::ROOT.intermediate("Between").issue(Profile::localhost());
    assert_accepted(&issued, &pki::verifying());
    issued.intermediates_pem.clear();
    let problem = problem(&issued, &pki::verifying(), UNKNOWN_CA);
    assert_eq!(problem, CertificateProblem::Untrusted);
}

#[test]
fn the_root_may_be_sent_too() {
    let mut issued = pki::ROOT.issue(Profile::localhost());
    issued.intermediates_pem.push(pki::ROOT.cert_pem());
    assert_accepted(&issued, &pki::verifying());
    let other = Authority::root("Nobody");
    let mut issued = other.issue(Profile::localhost());
    issued.intermediates_pem.push(other.cert_pem());
    problem(&issued, &pki::verifying(), UNKNOWN_CA);
}

#[test]
fn a_leaf_is_no_authority() {
    // The key of an ordinary certificate cannot vouch for others: test-pki's leaves say CA:FALSE.
    let leaf = pki::ROOT.issue(Profile::new("leaf").dns("leaf.example"));
    let issued = below(&leaf);
    problem(&issued, &pki::verifying(), UNKNOWN_CA);
}

/// A certificate for localhost that `parent` has signed, which is none of its business.
fn below(parent: &Issued) -> Issued {
    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::x509::extension::SubjectAlternativeName;
    use openssl::x509::{X509, X509Builder, X509NameBuilder};

    let issuer = X509::from_pem(parent.cert_pem.as_bytes()).expect("a certificate");
    let issuer_key = PKey::private_key_from_pem(parent.key_pem.as_bytes()).expect("a key");
    let own = pki::ROOT.issue(Profile::localhost());
    let key = PKey::private_key_from_pem(own.key_pem.as_bytes()).expect("a key");
    let make = || {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
        let mut certificate = X509Builder::new()?;
        certificate.set_version(2)?;
        certificate.set_serial_number(&*BigNum::from_u32(7)?.to_asn1_integer()?)?;
        certificate.set_subject_name(&name.build())?;
        certificate.set_issuer_name(issuer.subject_name())?;
        certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        certificate.set_not_after(&*Asn1Time::days_from_now(9)?)?;
        certificate.set_pubkey(&key)?;
        let context = certificate.x509v3_context(Some(&issuer), None);
        let names = SubjectAlternativeName::new().dns("localhost").build(&context)?;
        certificate.append_extension(names)?;
        certificate.sign(&issuer_key, MessageDigest::sha256())?;
        certificate.build().to_pem()
    };
    let pem: Result<Vec<u8>, openssl::error::ErrorStack> = make();
    Issued {
        cert_pem: String::from_utf8(pem.expect("a certificate")).expect("PEM is text"),
        key_pem: own.key_pem,
        serial: vec![7],
        intermediates_pem: vec![parent.cert_pem.clone()],
    }
}

#[test]
fn wrong_purpose() {
    let issued = pki::ROOT.issue(Profile::localhost().usage(Usage::Client));
    for client in [pki::verifying(), chain_only(&pki::ROOT.cert_pem())] {
        let problem = problem(&issued, &client, UNSUPPORTED_CERTIFICATE);
        assert_eq!(problem, CertificateProblem::WrongPurpose(Role::Server));
    }
}

#[test]
fn wrong_purpose_of_a_certificate_that_is_trusted_itself() {
    let profile = || Profile::localhost().usage(Usage::Client);
    for issued in [pki::ROOT.issue(profile()), self_signed(profile())] {
        let named = pki::client(&issued.cert_pem, "localhost");
        for client in [named, chain_only(&issued.cert_pem)] {
            let problem = problem(&issued, &client, UNSUPPORTED_CERTIFICATE);
            assert_eq!(problem, CertificateProblem::WrongPurpose(Role::Server));
        }
    }
}

#[test]
fn a_certificate_for_any_purpose() {
    let issued = pki::ROOT.issue(Profile::localhost().usage(Usage::Any));
    assert_accepted(&issued, &pki::verifying());
}

#[test]
fn a_trusted_leaf_or_intermediate_is_an_anchor() {
    let between = pki::ROOT.intermediate("Between");
    let mut issued = between.issue(Profile::localhost());
    assert_accepted(&issued, &pki::client(&between.cert_pem(), "localhost"));
    assert_accepted(&issued, &pki::client(&issued.cert_pem, "localhost"));
    assert_accepted(&issued, &chain_only(&issued.cert_pem));
    // What is trusted need not be sent.
    issued.intermediates_pem.clear();
    assert_accepted(&issued, &pki::client(&between.cert_pem(), "localhost"));
    assert_accepted(&issued, &pki::client(&issued.cert_pem, "localhost"));

    let sibling = between.issue(Profile::localhost());
    let client = pki::client(&sibling.cert_pem, "localhost");
    let problem = problem(&issued, &client, UNKNOWN_CA);
    assert_eq!(problem, CertificateProblem::Untrusted);
}

#[test]
fn one_anchor_of_many_is_enough() {
    let others = [Authority::root("One"), Authority::root("Two")];
    let bundle = [&others[0], &*pki::ROOT, &others[1]].map(|it| it.cert_pem()).concat();
    assert_accepted(&pki::LOCALHOST, &pki::client(&bundle, "localhost"));
}

#[test]
fn chain_without_a_name_takes_any_name() {
    let issued = pki::ROOT.issue(Profile::new("whoever").dns("somewhere.example"));
    assert_accepted(&issued, &chain_only(&pki::ROOT.cert_pem()));
}

#[test]
fn wrong_name() {
    let issued = pki::ROOT.issue(Profile::new("x").dns("game.example").dns("*.wild.example"));
    assert_eq!(mismatch(&issued, "localhost"), pair("localhost", "game.example, *.wild.example"));
    let message = refusal(&issued, &pki::verifying(), BAD_CERTIFICATE).to_string();
    assert_eq!(
        message,
        "the certificate is for another name: wanted localhost, the certificate has \
         game.example, *.wild.example"
    );
}

#[test]
fn a_wrong_name_on_a_certificate_that_is_trusted_itself() {
    let issued = self_signed(Profile::new("x").dns("game.example"));
    let client = pki::client(&issued.cert_pem, "localhost");
    let failure = refusal(&issued, &client, BAD_CERTIFICATE);
    assert!(matches!(failure, Failure::HostnameMismatch { .. }), "{failure:?}");
}

#[test]
fn an_untrusted_certificate_with_the_wrong_name_is_untrusted() {
    let issued = Authority::root("Nobody").issue(Profile::new("x").dns("game.example"));
    let problem = problem(&issued, &pki::verifying(), UNKNOWN_CA);
    assert_eq!(problem, CertificateProblem::Untrusted);
}

#[test]
fn an_expired_certificate_with_the_wrong_name_is_refused_whichever_comes_first() {
    let profile = Profile::new("x").dns("game.example").validity(Validity::Expired);
    let mut link = Link::new(&pki::server(&pki::ROOT.issue(profile)), &pki::verifying());
    link.run();
    assert_eq!(link.client.status(), Status::Failed);
}

#[test]
fn addresses() {
    for address in ["127.0.0.1", "::1", "[::1]", "0:0:0:0:0:0:0:1"] {
        assert_accepted(&pki::LOCALHOST, &expecting(address));
    }
    assert_eq!(
        mismatch(&pki::LOCALHOST, "127.0.0.2"),
        pair("127.0.0.2", "localhost, 127.0.0.1, ::1")
    );
    assert_eq!(mismatch(&pki::LOCALHOST, "::2").0, "::2");

    let elsewhere = pki::ROOT.issue(Profile::new("127.0.0.1").ip(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(mismatch(&elsewhere, "127.0.0.1"), pair("127.0.0.1", "192.0.2.1"));
    let as_text = pki::ROOT.issue(Profile::new("127.0.0.1").dns("127.0.0.1"));
    assert_eq!(mismatch(&as_text, "127.0.0.1"), pair("127.0.0.1", "127.0.0.1 (as a DNS name)"));
    let named = pki::ROOT.issue(Profile::new("x").dns("localhost"));
    assert_eq!(mismatch(&named, "127.0.0.1"), pair("127.0.0.1", "localhost"));
}

#[test]
fn an_ipv4_address_in_ipv6_is_that_address() {
    assert_accepted(&pki::LOCALHOST, &expecting("::ffff:127.0.0.1"));
    assert_accepted(&pki::LOCALHOST, &expecting("[::ffff:7f00:1]"));
    assert_eq!(mismatch(&pki::LOCALHOST, "::ffff:127.0.0.2").0, "::ffff:127.0.0.2");
    let by_common_name = pki::ROOT.issue(Profile::new("127.0.0.1"));
    assert_accepted(&by_common_name, &expecting("::ffff:127.0.0.1"));
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let issued = pki::ROOT.issue(Profile::new("x").ip(mapped));
    assert_accepted(&issued, &expecting("::ffff:127.0.0.1"));
    // No limit of an authority about IPv4 would have been held against that.
    assert_eq!(mismatch(&issued, "127.0.0.1"), pair("127.0.0.1", "::ffff:127.0.0.1"));
}

#[test]
fn wildcards_stand_for_one_label() {
    let issued = pki::ROOT.issue(Profile::new("x").dns("*.example.test"));
    assert_accepted(&issued, &expecting("game.example.test"));
    assert_accepted(&issued, &expecting("GAME.Example.Test."));
    for wanted in ["example.test", "a.b.example.test", "game.example.test.evil"] {
        assert_eq!(mismatch(&issued, wanted), pair(wanted, "*.example.test"));
    }
    for pattern in ["g*.example.test", "*me.example.test", "game.*.test", "*"] {
        let issued = pki::ROOT.issue(Profile::new("x").dns(pattern));
        assert_eq!(mismatch(&issued, "game.example.test").1, pattern);
    }
}

#[test]
fn names_are_compared_without_case() {
    let issued = pki::ROOT.issue(Profile::new("x").dns("Game.EXAMPLE.test"));
    assert_accepted(&issued, &expecting("gaME.example.test"));
}

#[test]
fn a_common_name_counts_without_alternative_names() {
    let issued = pki::ROOT.issue(Profile::new("localhost"));
    assert_accepted(&issued, &expecting("localhost"));
    assert_eq!(mismatch(&issued, "game.example"), pair("game.example", "localhost"));
    let issued = pki::ROOT.issue(Profile::new("127.0.0.1"));
    assert_accepted(&issued, &expecting("127.0.0.1"));
    assert_eq!(mismatch(&issued, "127.0.0.2"), pair("127.0.0.2", "127.0.0.1"));
}

#[test]
fn a_common_name_does_not_count_beside_any_alternative_name() {
    let issued = pki::ROOT.issue(Profile::new("localhost").dns("game.example"));
    assert_eq!(mismatch(&issued, "localhost"), pair("localhost", "game.example"));
    let issued = pki::ROOT.issue(Profile::new("localhost").ip(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(mismatch(&issued, "localhost"), pair("localhost", "192.0.2.1"));
    let issued = pki::ROOT.issue(Profile::new("127.0.0.1").dns("game.example"));
    assert_eq!(mismatch(&issued, "127.0.0.1"), pair("127.0.0.1", "game.example"));
}

/// An authority below [`pki::ROOT`] that is limited, and the same one step further up.
fn limited(limits: NameLimits) -> [Authority; 2] {
    let authority = pki::ROOT.intermediate_for("Limited", limits);
    let below = authority.intermediate("Below it");
    [authority, below]
}

const TEN: NameLimits = NameLimits::Network(Ipv4Addr::new(10, 0, 0, 0), 8);

#[test]
fn a_common_name_does_not_count_below_an_authority_that_is_limited() {
    const OTHERS: &[&str] = &["::1", "game.allowed.example"];
    const ALL: &[&str] = &["127.0.0.1", "10.0.0.1", "::1", "game.allowed.example", "localhost"];
    // OpenSSL holds a common name that looks like a DNS name against limits of DNS names by itself.
    let names_under =
        [(TEN, ALL), (NameLimits::NoAddress, ALL), (NameLimits::Dns("allowed.example"), OTHERS)];
    for (limits, names) in names_under {
        for authority in limited(limits) {
            for name in names {
                let issued = authority.issue(Profile::new(*name));
                let (wanted, presented) = mismatch(&issued, name);
                assert_eq!(wanted, *name);
                assert!(
                    presented.starts_with(&format!("only the common name {name}, which does not")),
                    "{limits:?}: {presented}"
                );
            }
        }
    }
    let root = Authority::root_for("Limited root", TEN);
    let issued = root.issue(Profile::new("127.0.0.1"));
    let failure = refusal(&issued, &pki::client(&root.cert_pem(), "127.0.0.1"), BAD_CERTIFICATE);
    assert!(matches!(failure, Failure::HostnameMismatch { .. }), "{failure:?}");
}

#[test]
fn what_a_limited_authority_may_issue_is_accepted() {
    for authority in limited(NameLimits::Dns("allowed.example")) {
        let issued = authority.issue(Profile::new("x").dns("game.allowed.example"));
        assert_accepted(&issued, &expecting("game.allowed.example"));
        assert_eq!(mismatch(&issued, "x"), pair("x", "game.allowed.example"));
    }
    for authority in limited(TEN) {
        let issued = authority.issue(Profile::new("x").ip(Ipv4Addr::new(10, 0, 0, 1)));
        assert_accepted(&issued, &expecting("10.0.0.1"));
        // Nobody asks for a name here.
        let nameless = authority.issue(Profile::new("127.0.0.1"));
        assert_accepted(&nameless, &chain_only(&pki::ROOT.cert_pem()));
    }
    // Without the limited one in the chain nobody limits a certificate that is trusted itself.
    let mut issued = limited(TEN)[0].issue(Profile::new("127.0.0.1"));
    issued.intermediates_pem.clear();
    assert_accepted(&issued, &pki::client(&issued.cert_pem, "127.0.0.1"));
}

#[test]
fn what_a_limited_authority_may_not_issue_is_refused() {
    for authority in limited(TEN).into_iter().chain(limited(NameLimits::NoAddress)) {
        let issued = authority.issue(Profile::localhost());
        let failure = refusal(&issued, &expecting("localhost"), CERTIFICATE_UNKNOWN);
        assert!(
            failure.to_string().contains("permitted subtree violation")
                || failure.to_string().contains("excluded subtree violation"),
            "{failure}"
        );
    }
}

#[test]
fn text_in_names_is_escaped() {
    let dns = "localhost\0.evil\u{1b}[2J\n.example";
    let hostile = [
        pki::ROOT.issue(Profile::new(HOSTILE_COMMON_NAME)),
        pki::ROOT.issue(Profile::new("moc.\u{202e}evil")),
        pki::ROOT.issue(Profile::new(HOSTILE_COMMON_NAME).dns(dns)),
        Authority::root("Nobody").issue(Profile::new(HOSTILE_COMMON_NAME)),
        Authority::root("Nobody").issue(Profile::new(HOSTILE_COMMON_NAME).dns(dns)),
    ];
    for issued in hostile {
        let mut link = Link::new(&pki::server(&issued), &pki::verifying());
        link.run();
        let failure = link.client.failure().expect("a reason").to_string();
        let shown = |character: char| !character.is_control() && character != '\u{202e}';
        assert!(failure.chars().all(shown), "{failure:?}");
        assert!(failure.contains("evil"), "{failure}");
        assert!(failure.contains("\\u{"), "{failure}");
    }
}

#[test]
fn a_name_does_not_end_at_a_nul() {
    let issued = pki::ROOT.issue(Profile::new("x").dns("localhost\0.evil.example"));
    let (_, presented) = mismatch(&issued, "localhost");
    assert!(presented.contains("evil.example"), "{presented}");
    let issued = pki::ROOT.issue(Profile::new("localhost\0.evil.example"));
    let (_, presented) = mismatch(&issued, "localhost");
    assert!(presented.contains("evil.example"), "{presented}");
}

#[test]
fn many_and_long_names_stay_readable() {
    let mut profile = Profile::new("x");
    for number in 0..50 {
        profile = profile.dns(format!("{number}.{}.example", "y".repeat(60)));
    }
    let (_, presented) = mismatch(&pki::ROOT.issue(profile), "localhost");
    assert!(presented.ends_with(" and 42 more"), "{presented}");
    let long = pki::ROOT.issue(Profile::new("x").dns("z".repeat(5000)));
    let (_, presented) = mismatch(&long, "localhost");
    assert!(presented.chars().count() < 300, "{}", presented.len());
}

#[test]
fn nothing_is_verified_when_nothing_is_asked_for() {
    let untrusted = Authority::root("Nobody").issue(Profile::new("x").dns("game.example"));
    let expired = self_signed(Profile::localhost().validity(Validity::Expired));
    let client_only = pki::ROOT.issue(Profile::localhost().usage(Usage::Client));
    for issued in [untrusted, expired, client_only] {
        assert_accepted(&issued, &pki::trusting_everyone());
        let named = PeerName::parse("localhost").ok();
        let named = pki::Client::new(Verification::Nothing, named).expect("a configuration");
        assert_accepted(&issued, &named);
    }
}

#[test]
fn one_configuration_serves_many_handshakes_of_different_outcome() {
    let client = pki::verifying();
    let wrong = pki::ROOT.issue(Profile::new("x").dns("game.example"));
    for _ in 0..3 {
        assert_accepted(&pki::LOCALHOST, &client);
        let failure = refusal(&wrong, &client, BAD_CERTIFICATE);
        assert!(matches!(failure, Failure::HostnameMismatch { .. }), "{failure:?}");
    }
}

#[test]
fn a_client_that_verifies_a_name_does_not_begin_without_one() {
    let client = pki::verifying();
    let refused = Session::connect(&client.config, None, clock::now()).err();
    assert_eq!(refused, Some(ConnectError::NoServerName));
}
