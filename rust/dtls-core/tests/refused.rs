//! What must not get in: weak versions, suites, keys, and broken configuration.

mod support;

use dtls_core::{
    Certificates, ConfigError, Failure, Identity, Role, Session, Status, TrustAnchors,
};
use openssl::asn1::{Asn1Object, Asn1OctetString};
use openssl::ec::EcKey;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslContextBuilder, SslVersion};
use openssl::symm::Cipher;
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509Extension};
use support::link::{End, Link, Server, ToClient, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{child, clock, pki, raw, records};
use test_pki::{Issued, Key, Profile, Usage, Validity};

const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const PROTOCOL_VERSION: u8 = 70;

/// `SSL_R_NO_RENEGOTIATION` of include/openssl/sslerr.h.
const NO_RENEGOTIATION: i32 = 339;

/// Suites that lack something, each list with what it lacks.
const WEAK: [(&str, &str); 8] = [
    ("CBC", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA"),
    ("CBC with RSA", "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA"),
    ("authentication", "ADH-AES256-GCM-SHA384:ADH-AES128-GCM-SHA256:aNULL"),
    ("encryption", "ECDHE-ECDSA-NULL-SHA:ECDHE-RSA-NULL-SHA:NULL-SHA256"),
    ("forward secrecy", "AES128-GCM-SHA256:AES256-GCM-SHA384:kRSA"),
    (
        "a certificate",
        "PSK-AES256-GCM-SHA384:ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES128-GCM-SHA256",
    ),
    ("a full tag", "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-CCM8"),
    ("a curve", "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305"),
];

/// An RSA certificate, so that static RSA and DHE fail for no other reason.
fn rsa() -> Issued {
    pki::ROOT.issue(Profile::localhost().key(Key::FromPem(pki::rsa_key(2048))))
}

fn with_psk(mut context: SslContextBuilder) -> SslContextBuilder {
    context.set_psk_client_callback(|_, _, identity, key| {
        identity[..3].copy_from_slice(b"me\0");
        key[..16].fill(7);
        Ok(16)
    });
    context.set_psk_server_callback(|_, _, key| {
        key[..16].fill(7);
        Ok(16)
    });
    context
}

/// The certificate that a list of suites needs.
fn certificate_for(suites: &str) -> Issued {
    if suites.contains("ECDSA") { pki::LOCALHOST.clone() } else { rsa() }
}

#[test]
fn a_server_refuses_clients_that_offer_only_weak_suites() {
    for (lack, suites) in WEAK {
        let mut context = with_psk(raw::context());
        context.set_cipher_list(suites).expect("suites that OpenSSL has");
        context.set_max_proto_version(Some(SslVersion::DTLS1_2)).expect("a version");
        let server = Server::new(&pki::server(&certificate_for(suites)));
        let mut link = Link::between(Raw::client(context), server);
        link.run();
        let session = link.server.session();
        assert_eq!(session.failure(), Some(&Failure::NothingInCommon), "{lack}");
        assert_eq!(link.client.alert(), Some(i32::from(HANDSHAKE_FAILURE)), "{lack}");
        assert_eq!(clock::elapsed().as_millis(), 0, "{lack}: both know at once");
    }
}

#[test]
fn a_client_does_not_talk_to_servers_with_only_weak_suites() {
    for (lack, suites) in WEAK {
        for client in [pki::verifying(), pki::trusting_everyone()] {
            let mut link = Link::between(connect(&client), weak_server(suites));
            link.run();
            let refused = Failure::PeerAlert(HANDSHAKE_FAILURE);
            assert_eq!(link.client.failure(), Some(&refused), "{lack}");
            assert!(matches!(link.server.progress, Progress::Failed(_)), "{lack}");
        }
    }
}

fn weak_server(suites: &str) -> Raw {
    let mut context = with_psk(raw::context_of(&certificate_for(suites)));
    context.set_cipher_list(suites).expect("suites that OpenSSL has");
    let dh = openssl::dh::Dh::get_2048_256().expect("parameters");
    context.set_tmp_dh(&dh).expect("parameters");
    Raw::server(context)
}

#[test]
fn the_weak_suites_work_between_peers_that_want_them() {
    // Otherwise the two tests above would prove nothing.
    for (lack, suites) in WEAK {
        let mut client = with_psk(raw::context());
        client.set_cipher_list(suites).expect("suites that OpenSSL has");
        let mut link = Link::between(Raw::client(client), weak_server(suites));
        link.run();
        assert_eq!(link.client.progress, Progress::Connected, "{lack}");
    }
}

#[test]
fn a_server_refuses_dtls_1_0() {
    let mut context = raw::context();
    context.set_max_proto_version(Some(SslVersion::DTLS1)).expect("a version");
    let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.server.session().failure(), Some(&Failure::UnsupportedVersion));
    assert_eq!(link.client.alert(), Some(i32::from(PROTOCOL_VERSION)));
}

#[test]
fn a_client_does_not_talk_to_a_server_of_dtls_1_0() {
    for client in [pki::verifying(), pki::trusting_everyone()] {
        let mut context = raw::context_of(&pki::LOCALHOST);
        context.set_max_proto_version(Some(SslVersion::DTLS1)).expect("a version");
        let mut link = Link::between(connect(&client), Raw::server(context));
        link.run();
        // The suites that are offered do not exist in DTLS 1.0, so the server is the first to
        // give up; what becomes of a ServerHello of that version is looked at below.
        assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(HANDSHAKE_FAILURE)));
        assert!(matches!(link.server.progress, Progress::Failed(_)));
    }
}

#[test]
fn peers_without_a_curve_in_common_are_refused() {
    let mut context = raw::context();
    context.set_groups_list("P-521").expect("a curve");
    let mut link = Link::between(Raw::client(context), Server::new(&pki::server(&rsa())));
    link.run();
    assert_eq!(link.server.session().failure(), Some(&Failure::NothingInCommon));
    assert_eq!(link.client.alert(), Some(i32::from(HANDSHAKE_FAILURE)));
}

#[test]
fn a_server_hello_with_a_suite_that_was_not_offered_is_refused() {
    // ADH-AES256-GCM-SHA384, ECDHE-ECDSA-AES128-SHA, NULL-SHA256, one that does not exist.
    for suite in [[0x00, 0xa7], [0xc0, 0x09], [0x00, 0x3b], [0xfa, 0xfa]] {
        let failure = with_server_hello(move |hello| {
            let session_id = records::HEADER + 12 + 2 + 32;
            let at = session_id + 1 + usize::from(hello[session_id]);
            hello[at..at + 2].copy_from_slice(&suite);
        });
        assert!(matches!(failure.0, Failure::Protocol(_)), "{suite:02x?}: {:?}", failure.0);
        assert_eq!(failure.1, Failure::PeerAlert(ILLEGAL_PARAMETER), "{suite:02x?}");
    }
}

#[test]
fn a_server_hello_of_another_version_is_refused() {
    for version in [[0xfe, 0xff], [0x01, 0x00], [0xfe, 0xfc], [0x03, 0x03]] {
        let failure = with_server_hello(move |hello| {
            hello[records::HEADER + 12..][..2].copy_from_slice(&version);
        });
        assert_eq!(failure.0, Failure::UnsupportedVersion, "{version:02x?}");
        assert_eq!(failure.1, Failure::PeerAlert(PROTOCOL_VERSION), "{version:02x?}");
    }
}

/// How client and server fail when the ServerHello is changed on its way.
fn with_server_hello(change: impl Fn(&mut [u8]) + 'static) -> (Failure, Failure) {
    let mut link = Link::new(&pki::localhost(), &pki::trusting_everyone());
    link.each(move |direction, datagram| {
        let mut bytes = datagram.bytes.clone();
        if direction == ToClient && records::message(&bytes) == Some(records::SERVER_HELLO) {
            change(&mut bytes);
        }
        vec![bytes]
    });
    link.run();
    let client = link.client.failure().expect("the client fails").clone();
    (client, link.server.session().failure().expect("the server fails").clone())
}

#[test]
fn a_changed_hello_is_noticed_at_the_end() {
    // Takes the strongest suites out of the ClientHello, which a cookie does not protect.
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.each(|_, datagram| {
        let mut bytes = datagram.bytes.clone();
        if records::message(&bytes) == Some(records::CLIENT_HELLO) {
            let cookie = records::cookie(&bytes);
            // Behind the length of the list stands the suite that the client likes best.
            bytes[cookie.end + 2..cookie.end + 4].copy_from_slice(&[0xfa, 0xfa]);
        }
        vec![bytes]
    });
    link.run();
    assert_eq!(link.client.status(), Status::Failed);
    assert_eq!(link.server.session().status(), Status::Failed);
}

#[test]
fn a_server_refuses_renegotiation_and_stays_connected() {
    let client = Raw::client(raw::context());
    let mut link = Link::between(client, Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    link.client.renegotiate();
    let request = link.client.take();
    assert_eq!(request.len(), 1, "a ClientHello in the second epoch");
    assert_eq!((records::content(&request[0]), records::epoch(&request[0])), (22, 1));
    link.server.handle(&request[0]);
    let session = link.server.session();
    assert_eq!(session.status(), Status::Connected);
    let answers = session.take();
    assert_eq!(answers.len(), 1);
    assert_eq!(records::content(&answers[0]), records::ALERT);
    session.send(b"still here").expect("connected");
    link.client.handle(&answers[0]);
    let Progress::Failed(reasons) = &link.client.progress else { panic!("it goes on") };
    assert!(reasons.contains(&NO_RENEGOTIATION), "{reasons:?}");
}

#[test]
fn a_client_refuses_renegotiation_and_stays_connected() {
    let server = Raw::server(raw::context_of(&pki::LOCALHOST));
    let mut link = Link::between(connect(&pki::verifying()), server);
    link.run();
    assert_eq!(link.client.status(), Status::Connected);
    link.server.renegotiate();
    let request = link.server.take();
    assert_eq!((records::content(&request[0]), records::epoch(&request[0])), (22, 1));
    link.client.handle(&request[0]);
    assert_eq!(link.client.status(), Status::Connected);
    let answers = link.client.take();
    assert!(answers.iter().all(|answer| records::content(answer) == records::ALERT));
    link.client.send(b"still here").expect("connected");
}

#[test]
fn a_failed_session_is_silent() {
    let mut context = raw::context();
    context.set_cipher_list("ECDHE-ECDSA-AES128-SHA").expect("a suite");
    let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
    link.run();
    let hello = link.sent[0].2.clone();
    let session: &mut Session = link.server.session();
    assert_eq!(session.status(), Status::Failed);
    session.handle(&hello);
    assert_eq!(session.take(), Vec::<Vec<u8>>::new());
    assert_eq!(session.status(), Status::Failed);
    assert_eq!(session.failure(), Some(&Failure::NothingInCommon), "the reason stays");
    session.close();
    assert_eq!(session.take(), Vec::<Vec<u8>>::new());
    assert_eq!((session.status(), session.failure()), (Status::Closed, None));
}

#[test]
fn a_weak_rsa_key_is_refused() {
    let weak = weak_rsa();
    let refused = pki::server_with(pki::identity(&weak)).err();
    let Some(ConfigError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("key too small"), "{reason}");
}

#[test]
fn a_weak_intermediate_is_refused() {
    let mut issued = pki::ROOT.issue(Profile::localhost());
    issued.intermediates_pem.push(weak_rsa().cert_pem);
    let identity = pki::identity(&issued);
    let server = pki::server_with(identity.clone()).err();
    let client = pki::verifying().rebuild(|it| it.with_identity(identity)).err();
    for refused in [server, client] {
        assert_eq!(refused, Some(ConfigError::Refused("ca key too small".to_owned())));
    }
}

#[test]
fn a_weak_rsa_key_of_a_server_is_refused_by_a_client() {
    let weak = weak_rsa();
    let client = pki::client(&weak.cert_pem, "localhost");
    let mut link = Link::between(connect(&client), Raw::server(raw::context_of(&weak)));
    link.run();
    let failure = link.client.failure().expect("the client fails").to_string();
    assert!(failure.contains("weak"), "{failure}");
    assert!(link.server.alert().is_some());
}

/// A self-signed certificate with an RSA key of 1,024 bits, which ring would not sign with.
fn weak_rsa() -> Issued {
    pki::self_signed_with(&pki::rsa_key(1024), MessageDigest::sha256())
}

#[test]
fn what_peers_will_have_against_a_certificate_is_known_before() {
    let problems = |issued: &Issued, role| pki::identity(issued).problems(role);
    let both = [Role::Server, Role::Client];
    let any = pki::ROOT.intermediate("Between").issue(Profile::localhost().usage(Usage::Any));
    assert_eq!(both.map(|role| problems(&any, role)), [const { Vec::<String>::new() }; 2]);

    let expired = pki::ROOT.issue(Profile::localhost().validity(Validity::Expired));
    let early = pki::ROOT.issue(Profile::localhost().validity(Validity::NotYetValid));
    for (issued, words) in [(expired, ") has expired, on "), (early, ") is not valid before ")] {
        let found = problems(&issued, Role::Server);
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.starts_with("(for localhost, 127.0.0.1, ::1"), "{problem}");
        assert!(problem.contains(words) && problem.contains(" GMT"), "{problem}");
        // It is for servers, too.
        assert_eq!(problems(&issued, Role::Client).len(), 2);
    }
    for (usage, role, other) in
        [(Usage::Server, Role::Server, Role::Client), (Usage::Client, Role::Client, Role::Server)]
    {
        let issued = pki::ROOT.issue(Profile::localhost().usage(usage));
        assert!(problems(&issued, role).is_empty());
        let found = problems(&issued, other);
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.contains(&format!(") is not meant for a {other} ")), "{problem}");
    }

    let mut chained = pki::ROOT.issue(Profile::localhost());
    let old = pki::ROOT.issue(Profile::new("old").validity(Validity::Expired));
    chained.intermediates_pem.push(old.cert_pem);
    let found = problems(&chained, Role::Server);
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert!(
        problem.starts_with("comes with another (no. 2, for old) that has expired"),
        "{problem}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let other = pki::ROOT.issue(Profile::localhost());
    let rsa = pki::rsa_key(2048);
    for key in [&other.key_pem, &rsa] {
        let identity = Identity::new(key.as_bytes(), pki::certificates(&pki::LOCALHOST.cert_pem));
        assert_eq!(identity.err(), Some(ConfigError::KeyMismatch));
    }
}

#[test]
fn a_chain_in_the_wrong_order_is_refused() {
    let issued = pki::ROOT.intermediate("Between").issue(Profile::localhost());
    let mut reversed = pki::certificates(&issued.intermediates_pem.concat());
    reversed.append(pki::certificates(&issued.cert_pem));
    let refused = Identity::new(issued.key_pem.as_bytes(), reversed).err();
    assert_eq!(refused, Some(ConfigError::WrongOrder(2)));
}

#[test]
fn a_damaged_key_is_refused() {
    // The private half is another one, and the public half is still that of the certificate.
    let ec = |pem: &str| PKey::private_key_from_pem(pem.as_bytes()).and_then(|key| key.ec_key());
    let own = ec(&pki::LOCALHOST.key_pem).expect("an EC key");
    let other = ec(&pki::ec_key(Nid::X9_62_PRIME256V1)).expect("an EC key");
    let (group, public) = (own.group(), own.public_key());
    let damaged = EcKey::from_private_components(group, other.private_key(), public)
        .and_then(PKey::from_ec_key)
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .expect("PEM");
    let refused = Identity::new(&damaged, pki::certificates(&pki::LOCALHOST.cert_pem)).err();
    let refused = refused.expect("it could not sign a handshake").to_string();
    assert!(refused.contains("contradict each other"), "{refused}");
}

#[test]
fn a_certificate_that_may_not_sign_is_refused() {
    let key_pem = pki::ec_key(Nid::X9_62_PRIME256V1);
    let identity = |usage: X509Extension| {
        let issued = pki::self_signed_for(&key_pem, MessageDigest::sha256(), Some(usage));
        pki::server_with(pki::identity(&issued)).map(drop)
    };
    let broken = Asn1Object::from_str("2.5.29.15").expect("the key usage");
    let broken = X509Extension::new_from_der(
        &broken,
        true,
        &Asn1OctetString::new_from_bytes(b"\x74\x00").expect("bytes"),
    );
    let encipherment = KeyUsage::new().key_encipherment().build();
    for usage in [encipherment, broken] {
        let refused = identity(usage.expect("an extension")).expect_err("no client could connect");
        assert!(refused.to_string().contains("digitalSignature"), "{refused}");
    }
    let signing = KeyUsage::new().digital_signature().build();
    assert_eq!(identity(signing.expect("an extension")), Ok(()));
}

#[test]
fn what_is_no_key_is_refused() {
    let identity = |key: &[u8]| Identity::new(key, pki::certificates(&pki::LOCALHOST.cert_pem));
    assert_eq!(identity(b"").err(), Some(ConfigError::NoKey));
    let key = PKey::private_key_from_pem(pki::LOCALHOST.key_pem.as_bytes()).expect("a key");
    let public = key.public_key_to_pem().expect("PEM");
    let half = &pki::LOCALHOST.key_pem.as_bytes()[..pki::LOCALHOST.key_pem.len() / 2];
    // In pieces, so that no search for keys finds one here.
    let what = ["PRIVATE", "KEY"].join(" ");
    let key_block = format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let garbage: [&[u8]; 6] = [b"\0", b"hello", &[0xff; 5000], key_block.as_bytes(), &public, half];
    for key in garbage.into_iter().chain([pki::LOCALHOST.cert_pem.as_bytes()]) {
        let refused = identity(key).err();
        let shown = String::from_utf8_lossy(key);
        assert!(matches!(refused, Some(ConfigError::UnreadableKey(_))), "{refused:?}: {shown}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let pem = pki::LOCALHOST.cert_pem.as_bytes();
    let der = openssl::x509::X509::from_pem(pem).and_then(|it| it.to_der()).expect("DER");
    assert_eq!(Certificates::parse(&der).map(|it| it.len()), Ok(1));
    for nothing in [&b""[..], b"hello", b"\n", &[0xff; 5000], pki::LOCALHOST.key_pem.as_bytes()] {
        let refused = Certificates::parse(nothing).err();
        assert_eq!(refused, Some(ConfigError::NoCertificate), "{nothing:?}");
    }
    let broken: [&[u8]; 5] = [
        &der[..der.len() - 1],
        &[0x30],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &pem[..pem.len() / 2],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ];
    for text in broken {
        let refused = Certificates::parse(text).err();
        assert!(
            matches!(refused, Some(ConfigError::UnreadableCertificate(..))),
            "{refused:?}: {text:?}"
        );
    }
}

const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

#[test]
fn a_serial_number_with_a_needless_zero_is_told_apart() {
    let certificate = X509::from_pem(pki::LOCALHOST.cert_pem.as_bytes()).expect("a certificate");
    let mut der = certificate.to_der().expect("DER");
    // Behind the version, which is 3.
    let version = [0xa0, 3, 2, 1, 2, 2];
    let at = der.windows(version.len()).position(|window| window == version).expect("a version");
    der[at + 7] = 0;
    der[at + 8] &= 0x7f;
    assert_eq!(Certificates::parse(&der).err(), Some(ConfigError::BadSerialNumber(1)));
}

#[test]
fn a_chain_with_one_broken_certificate_is_refused_and_a_bundle_counts_it() {
    let good = pki::ROOT.cert_pem();
    for text in [
        format!("{BROKEN}{good}"),
        format!("{good}{BROKEN}"),
        format!("{good}{BROKEN}{}", pki::LOCALHOST.cert_pem),
    ] {
        let refused = Certificates::parse(text.as_bytes()).err();
        assert!(matches!(refused, Some(ConfigError::UnreadableCertificate(..))), "{refused:?}");
        let (_, unreadable) = TrustAnchors::from_bundle(&text).expect("one can be read");
        assert_eq!(unreadable, 1);
    }
    let text = format!("{good}# a comment\n\n{}", pki::LOCALHOST.cert_pem);
    let (anchors, unreadable) = TrustAnchors::from_bundle(&text).expect("both can be read");
    assert_eq!((format!("{anchors:?}"), unreadable), ("TrustAnchors(2)".to_owned(), 0));
}

#[test]
fn a_bundle_that_was_cut_off_is_counted_as_such() {
    let [good, cut] = [pki::ROOT.cert_pem(), pki::LOCALHOST.cert_pem.clone()];
    let text = format!("{good}{}", &cut[..cut.len() / 2]);
    let (anchors, unreadable) = TrustAnchors::from_bundle(&text).expect("one can be read");
    assert_eq!((format!("{anchors:?}"), unreadable), ("TrustAnchors(1)".to_owned(), 1));
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    for text in ["", "hello", BROKEN, &pki::LOCALHOST.key_pem] {
        let refused = TrustAnchors::from_bundle(text).err();
        assert_eq!(refused, Some(ConfigError::NoTrustAnchor), "{text}");
    }
}

#[test]
fn a_chain_that_no_peer_could_take_is_refused() {
    let mut chain = pki::certificates(&pki::LOCALHOST.cert_pem);
    let mut count = 1;
    let config = loop {
        let config = pki::server_with(
            Identity::new(pki::LOCALHOST.key_pem.as_bytes(), chain.clone()).expect("a pair"),
        );
        if config.is_err() || count > 100 {
            break config;
        }
        // Before it is refused it has to work.
        let mut link = Link::new(&config.expect("accepted"), &pki::trusting_everyone());
        link.run();
        link.assert_connected();
        let more: String = (0..8)
            .map(|number| pki::ROOT.intermediate(&format!("Between {count} {number}")).cert_pem())
            .collect();
        chain.append(pki::certificates(&more));
        count += 8;
    };
    let refused = config.err();
    assert!(matches!(refused, Some(ConfigError::ChainTooLong(16_382..))), "{refused:?}");
}

#[test]
fn no_one_is_asked_for_a_passphrase() {
    let key = PKey::private_key_from_pem(pki::LOCALHOST.key_pem.as_bytes()).expect("a key");
    let pkcs8 = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret");
    let ec = key.ec_key().expect("an EC key");
    let traditional = ec.private_key_to_pem_passphrase(Cipher::aes_256_cbc(), b"secret");
    let encrypted = [pkcs8.expect("PEM"), traditional.expect("PEM")];
    // PEM lets anything be encrypted, not only keys.
    let header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F\n";
    let certificate = pki::LOCALHOST.cert_pem.replacen("-----\n", &format!("-----\n{header}\n"), 1);

    let refuse = |what: &str| match what {
        "key" => {
            for pem in &encrypted {
                let certificates = pki::certificates(&pki::LOCALHOST.cert_pem);
                let refused = Identity::new(pem, certificates).err();
                assert_eq!(refused, Some(ConfigError::EncryptedKey));
            }
        }
        "certificate" => {
            let refused = Certificates::parse(certificate.as_bytes()).err();
            let unreadable = matches!(refused, Some(ConfigError::UnreadableCertificate(..)));
            assert!(unreadable, "{refused:?}");
        }
        "bundle" => {
            let refused = TrustAnchors::from_bundle(&certificate).err();
            assert_eq!(refused, Some(ConfigError::NoTrustAnchor));
        }
        other => panic!("{other}"),
    };
    if let Some(task) = child::task() {
        refuse(&task);
        // Not a word that stands in what a panic says, such as the name of this file.
        println!("no one was asked");
        return;
    }
    for task in ["key", "certificate", "bundle"] {
        // Without a terminal OpenSSL asks on the standard error output.
        let said = child::said(&child::run("no_one_is_asked_for_a_passphrase", task, &[]));
        assert!(said.contains("no one was asked"), "{task}: {said}");
        assert!(!said.to_lowercase().contains("pass phrase"), "{task}: {said}");
    }
}
