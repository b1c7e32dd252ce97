//! Handshakes that have to succeed, and the cookie exchange before them.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use dtls_core::{Accepted, Datagrams, Session, Status, Verification};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{NameType, SslVersion};
use support::link::{End, Link, Server, ToClient, ToServer, address, connect, listener, packets};
use support::raw::{Progress, Raw};
use support::{clock, pki, raw, records};
use test_pki::{Authority, Issued, Key, Profile};

#[test]
fn a_verified_handshake_carries_data_both_ways() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    assert_eq!(link.client.status(), Status::Handshaking);
    link.run();
    link.assert_connected();
    assert_eq!(clock::elapsed(), Duration::ZERO, "nothing was sent twice");
    link.assert_data_flows();
    for length in [1, 2, 500, 1163] {
        let packet = vec![7; length];
        link.client.send(&packet).expect("connected");
        link.settle();
        assert_eq!(packets(link.server.session()), [packet]);
    }
}

#[test]
fn handshake_datagrams_have_at_most_1200_bytes() {
    let chain = long_chain();
    let mut link = Link::new(&pki::server(&chain.leaf), &pki::client(&chain.root, "localhost"));
    link.run();
    link.assert_connected();
    let longest = link.sent.iter().map(|(_, _, bytes)| bytes.len()).max();
    assert!(longest.is_some_and(|longest| (1100..=1200).contains(&longest)), "{longest:?}");
    // Not in the 256-byte pieces of a BIO that does not tell its MTU, either.
    let flight = link.sent(ToClient).iter().skip(1).map(|it| it.len()).collect::<Vec<_>>();
    assert!(flight[..flight.len() - 2].iter().all(|length| *length > 1000), "{flight:?}");
}

struct Chain {
    root: String,
    leaf: Issued,
}

/// A chain whose certificates do not fit one datagram.
fn long_chain() -> Chain {
    let root = Authority::root("Root");
    let upper = root.intermediate(&format!("Upper {}", "x".repeat(50)));
    let lower = upper.intermediate(&format!("Lower {}", "y".repeat(50)));
    let mut profile = Profile::localhost();
    for number in 0..40 {
        profile = profile.dns(format!("server-{number}.some-long-name.example"));
    }
    Chain { root: root.cert_pem(), leaf: lower.issue(profile) }
}

#[test]
fn leaf_and_intermediates_are_sent_and_lead_to_the_root() {
    let chain = long_chain();
    let mut link = Link::new(&pki::server(&chain.leaf), &pki::client(&chain.root, "localhost"));
    link.run();
    link.assert_connected();
    link.assert_data_flows();

    let client = Raw::client(raw::context());
    let mut link = Link::between(client, Server::new(&pki::server(&chain.leaf)));
    link.run();
    let sent = link.client.ssl().peer_cert_chain().expect("a chain");
    assert_eq!(sent.len(), 3, "leaf and two intermediates, no root");
}

#[test]
fn every_kind_of_key_works() {
    let rsa = Key::FromPem(pki::rsa_key(2048));
    for key in [Key::P256, Key::P384, rsa] {
        let issued = pki::ROOT.issue(Profile::localhost().key(key.clone()));
        let mut link = Link::new(&pki::server(&issued), &pki::verifying());
        link.run();
        assert_eq!(link.client.failure(), None, "{key:?}");
        link.assert_connected();
        link.assert_data_flows();
    }
}

#[test]
fn any_other_key_works_or_is_refused_before_anyone_connects() {
    // OpenSSL can use Ed25519 with TLS 1.2 and not with DTLS 1.2; the curve of an ECDSA key has
    // to be among those that the client offers.
    let ed25519 = pki::ROOT.issue(Profile::localhost().key(Key::Ed25519));
    let sha256 = MessageDigest::sha256();
    let p521 = pki::self_signed_with(&pki::ec_key(Nid::SECP521R1), sha256);
    let bitcoin = pki::self_signed_with(&pki::ec_key(Nid::SECP256K1), sha256);
    let ed448 =
        openssl::pkey::PKey::generate_ed448().and_then(|key| key.private_key_to_pem_pkcs8());
    let ed448 = String::from_utf8(ed448.expect("a key")).expect("PEM is text");
    let ed448 = pki::self_signed_with(&ed448, MessageDigest::null());
    for (key, issued) in
        [("Ed25519", ed25519), ("P-521", p521), ("secp256k1", bitcoin), ("Ed448", ed448)]
    {
        let Ok(server) = pki::server_with(pki::identity(&issued)) else { continue };
        let mut link = Link::new(&server, &pki::trusting_everyone());
        link.run();
        assert_eq!(link.client.failure(), None, "{key}: a configuration that exists is valid");
        link.assert_data_flows();
    }
}

const SUITES: [&str; 3] = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"];

/// A certificate for each kind of signature that the suites know.
fn signers() -> [(&'static str, Issued); 2] {
    let rsa = Key::FromPem(pki::rsa_key(2048));
    [
        ("ECDHE-ECDSA", pki::LOCALHOST.clone()),
        ("ECDHE-RSA", pki::ROOT.issue(Profile::localhost().key(rsa))),
    ]
}

#[test]
fn every_allowed_suite_is_negotiated_by_a_server() {
    for (exchange, issued) in signers() {
        for suite in SUITES {
            let suite = format!("{exchange}-{suite}");
            let mut context = raw::context();
            context.set_cipher_list(&suite).expect("a suite");
            let server = Server::new(&pki::server(&issued));
            let mut link = Link::between(Raw::client(context), server);
            link.run();
            assert_eq!(link.client.progress, Progress::Connected, "{suite}");
            assert_eq!(link.client.suite(), suite);
            assert_eq!(link.client.ssl().version2(), Some(SslVersion::DTLS1_2));
            assert_eq!(link.server.session().status(), Status::Connected);
            link.client.send(b"hello");
            link.server.session().send(b"there").expect("connected");
            link.settle();
            assert_eq!(packets(link.server.session()), [b"hello"], "{suite}");
            assert_eq!(link.client.received, [b"there"], "{suite}");
        }
    }
}

#[test]
fn every_allowed_suite_is_negotiated_by_a_client() {
    for (exchange, issued) in signers() {
        for suite in SUITES {
            let suite = format!("{exchange}-{suite}");
            let mut context = raw::context_of(&issued);
            context.set_cipher_list(&suite).expect("a suite");
            let client = connect(&pki::verifying());
            let mut link = Link::between(client, Raw::server(context));
            link.run();
            assert_eq!(link.client.failure(), None, "{suite}");
            assert_eq!(link.client.status(), Status::Connected, "{suite}");
            assert_eq!(link.server.suite(), suite);
            link.server.send(b"hello");
            link.client.send(b"there").expect("connected");
            link.settle();
            assert_eq!(packets(&mut link.client), [b"hello"], "{suite}");
            assert_eq!(link.server.received, [b"there"], "{suite}");
        }
    }
}

#[test]
fn every_allowed_curve_is_negotiated() {
    // With ECDSA, the curve of the key would have to be in the list as well.
    let [_, (_, issued)] = signers();
    for curve in ["X25519", "P-256", "P-384"] {
        let mut context = raw::context();
        context.set_groups_list(curve).expect("a curve");
        let server = Server::new(&pki::server(&issued));
        let mut link = Link::between(Raw::client(context), server);
        link.run();
        assert_eq!(link.client.progress, Progress::Connected, "{curve}");
    }
}

#[test]
fn the_server_prefers_the_fastest_suite() {
    let mut context = raw::context();
    let worst_first = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    context.set_cipher_list(worst_first).expect("suites");
    let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.client.suite(), "ECDHE-ECDSA-AES128-GCM-SHA256");
}

#[test]
fn a_host_name_is_sent_as_sni_and_an_address_is_not() {
    for (wanted, sent) in [("localhost", Some("localhost")), ("127.0.0.1", None), ("::1", None)] {
        let client = connect(&pki::client(&pki::ROOT.cert_pem(), wanted));
        let server = Raw::server(raw::context_of(&pki::LOCALHOST));
        let mut link = Link::between(client, server);
        link.run();
        assert_eq!(link.client.status(), Status::Connected, "{wanted}");
        assert_eq!(link.server.ssl().servername(NameType::HOST_NAME), sent);
    }
    let named = pki::Client::new(Verification::Nothing, Some(pki::name("localhost")));
    let client = connect(&named.expect("a configuration"));
    let server = Raw::server(raw::context_of(&pki::LOCALHOST));
    let mut link = Link::between(client, server);
    link.run();
    assert_eq!(link.server.ssl().servername(NameType::HOST_NAME), Some("localhost"));
}

#[test]
fn a_first_client_hello_gets_one_smaller_hello_verify_request() {
    let mut listener = listener(&pki::localhost());
    let hello = only(connect(&pki::verifying()).take());
    let mut answers = Datagrams::new();
    let peer = address("192.0.2.1:4242");
    for round in 1..=3 {
        let accepted = listener.handle_datagram(peer, &hello, &mut answers, clock::now());
        assert!(matches!(accepted, Ok(Accepted::CookieSent)), "{accepted:?}");
        assert_eq!(answers.len(), round);
    }
    for answer in answers.iter() {
        assert!(answer.len() < hello.len(), "{} answers {}", answer.len(), hello.len());
        assert_eq!(records::split(answer).len(), 1);
        assert_eq!(records::message(answer), Some(records::HELLO_VERIFY_REQUEST));
    }
}

#[test]
fn one_listener_serves_many_clients_at_once() {
    let mut listener = listener(&pki::localhost());
    let config = pki::verifying();
    let mut clients: Vec<(SocketAddr, Session)> = (0..40)
        .map(|port| (SocketAddr::from(([192, 0, 2, 1], 1000 + port)), connect(&config)))
        .collect();
    for (peer, client) in &mut clients {
        let cookie = first_exchange(&mut listener, *peer, client);
        client.handle(&cookie);
    }
    let mut servers = Vec::new();
    for (peer, client) in clients.iter_mut().rev() {
        let hello = only(client.take());
        servers.push(accept(&mut listener, *peer, &hello));
    }
    for ((_, client), server) in clients.into_iter().rev().zip(servers) {
        let mut link = Link::between(client, server);
        link.run();
        assert_eq!(link.client.status(), Status::Connected);
        assert_eq!(link.server.status(), Status::Connected);
        link.client.send(b"hello").expect("connected");
        link.settle();
        assert_eq!(packets(&mut link.server), [b"hello"]);
    }
}

#[test]
fn a_cookie_of_another_address_is_answered_with_a_new_one() {
    let mut listener = listener(&pki::localhost());
    let hello = hello_with_cookie(&mut listener, address("192.0.2.1:1000"));
    for other in ["192.0.2.1:1001", "192.0.2.2:1000", "[2001:db8::1]:1000"] {
        assert_refused(&mut listener, address(other), &hello);
    }
    accept(&mut listener, address("192.0.2.1:1000"), &hello);
}

#[test]
fn a_modified_cookie_is_answered_with_a_new_one() {
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = hello_with_cookie(&mut listener, peer);
    let cookie = records::cookie(&hello);
    assert_eq!(cookie.len(), 32);
    for index in cookie {
        for bit in [0x01, 0x80] {
            let mut modified = hello.clone();
            modified[index] ^= bit;
            assert_refused(&mut listener, peer, &modified);
        }
    }
    accept(&mut listener, peer, &hello);
}

#[test]
fn a_client_whose_cookie_was_spoilt_gets_through_with_the_next() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    let mut spoilt = false;
    link.each(move |direction, datagram| {
        let mut bytes = datagram.bytes.clone();
        let is_hello = records::message(&bytes) == Some(records::CLIENT_HELLO);
        if direction == ToServer && is_hello && !records::cookie(&bytes).is_empty() && !spoilt {
            spoilt = true;
            let first = records::cookie(&bytes).start;
            bytes[first] ^= 1;
        }
        vec![bytes]
    });
    link.run();
    link.assert_connected();
}

#[test]
fn cookies_grow_old() {
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = hello_with_cookie(&mut listener, peer);
    clock::advance(Duration::from_secs(61));
    accept(&mut listener, peer, &hello);
    clock::advance(Duration::from_secs(61));
    assert_refused(&mut listener, peer, &hello);
    let hello = hello_with_cookie(&mut listener, peer);
    accept(&mut listener, peer, &hello);
}

#[test]
fn cookies_of_a_server_that_was_idle_grow_old_too() {
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = hello_with_cookie(&mut listener, peer);
    clock::advance(Duration::from_secs(3600));
    assert_refused(&mut listener, peer, &hello);
}

#[test]
fn a_cookie_of_another_server_is_worth_nothing() {
    let mut first = listener(&pki::localhost());
    let mut second = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = hello_with_cookie(&mut first, peer);
    assert_refused(&mut second, peer, &hello);
}

#[test]
fn an_ipv4_peer_is_the_same_through_an_ipv6_socket() {
    let mut listener = listener(&pki::localhost());
    let hello = hello_with_cookie(&mut listener, address("192.0.2.1:1000"));
    accept(&mut listener, address("[::ffff:192.0.2.1]:1000"), &hello);
    let hello = hello_with_cookie(&mut listener, address("[::ffff:192.0.2.1]:1000"));
    accept(&mut listener, address("192.0.2.1:1000"), &hello);
    let hello = hello_with_cookie(&mut listener, address("[2001:db8::1]:1000"));
    accept(&mut listener, address("[2001:db8::1]:1000"), &hello);
}

#[test]
fn a_hello_that_was_cut_off_is_not_answered() {
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = only(connect(&pki::verifying()).take());
    // Anywhere; and before the cookie, with the lengths around it right.
    let whole = (0..hello.len()).map(|length| hello[..length].to_vec());
    let mut answers = Datagrams::new();
    for datagram in whole.chain((0..36).map(|length| cut(&hello, length))) {
        let accepted = listener.handle_datagram(peer, &datagram, &mut answers, clock::now());
        assert!(matches!(accepted, Ok(Accepted::NotAHello)), "{accepted:?} for {datagram:02x?}");
        assert!(answers.is_empty());
    }
    let hello = hello_with_cookie(&mut listener, peer);
    accept(&mut listener, peer, &hello);
}

/// A ClientHello that ends after so many bytes, with the lengths around it right.
fn cut(hello: &[u8], length: u8) -> Vec<u8> {
    let mut body = hello[records::HEADER..][..12 + usize::from(length)].to_vec();
    body[1..4].copy_from_slice(&[0, 0, length]);
    body[9..12].copy_from_slice(&[0, 0, length]);
    records::forge(records::HANDSHAKE, 0, 0, &body)
}

#[test]
fn no_answer_is_larger_than_its_question() {
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:1000");
    let hello = only(connect(&pki::verifying()).take());
    let mut answered = 0;
    for length in 0..100 {
        let question = cut(&hello, length);
        let mut answers = Datagrams::new();
        let accepted = listener.handle_datagram(peer, &question, &mut answers, clock::now());
        accepted.expect("OpenSSL works");
        for answer in answers.iter() {
            assert!(answer.len() < question.len(), "{} for {}", answer.len(), question.len());
            answered += 1;
        }
    }
    assert!(answered > 0, "what has room for a cookie is answered");
}

#[test]
fn new_credentials_are_for_new_clients() {
    let other_root = Authority::root("Other Root");
    let renewed = pki::server(&other_root.issue(Profile::localhost()));

    let mut live = Link::established(&pki::localhost(), &pki::verifying());
    let mut halfway = connect(&pki::verifying());
    let peer = address("192.0.2.9:9");
    let cookie = first_exchange(&mut live.server.listener, peer, &mut halfway);
    halfway.handle(&cookie);
    let started = accept(&mut live.server.listener, peer, &only(halfway.take()));
    let mut halfway = Link::between(halfway, started);

    let mut waiting = connect(&pki::client(&other_root.cert_pem(), "localhost"));
    let waiting_at = address("192.0.2.8:8");
    let cookie = first_exchange(&mut live.server.listener, waiting_at, &mut waiting);
    waiting.handle(&cookie);

    live.server.listener.set_config(renewed);

    live.assert_data_flows();
    halfway.run();
    assert_eq!(halfway.client.status(), Status::Connected, "begun before, done after");
    assert_eq!(halfway.server.status(), Status::Connected);

    // Its cookie is from before, its certificate is from after.
    let hello = only(waiting.take());
    let server = accept(&mut live.server.listener, waiting_at, &hello);
    let mut link = Link::between(waiting, server);
    link.run();
    assert_eq!(link.client.failure(), None);
    assert_eq!(link.client.status(), Status::Connected);
}

/// The answer to the ClientHello of `client`.
fn first_exchange(
    listener: &mut dtls_core::Listener,
    peer: SocketAddr,
    client: &mut Session,
) -> Vec<u8> {
    let mut answers = Datagrams::new();
    let hello = only(client.take());
    let accepted = listener.handle_datagram(peer, &hello, &mut answers, clock::now());
    assert!(matches!(accepted, Ok(Accepted::CookieSent)), "{accepted:?}");
    only(answers.iter().map(<[u8]>::to_vec).collect())
}

/// A ClientHello with the cookie of `peer`.
fn hello_with_cookie(listener: &mut dtls_core::Listener, peer: SocketAddr) -> Vec<u8> {
    let mut client = connect(&pki::verifying());
    let cookie = first_exchange(listener, peer, &mut client);
    client.handle(&cookie);
    only(client.take())
}

fn accept(listener: &mut dtls_core::Listener, peer: SocketAddr, hello: &[u8]) -> Session {
    let mut answers = Datagrams::new();
    match listener.handle_datagram(peer, hello, &mut answers, clock::now()) {
        Ok(Accepted::Session(session)) => {
            assert!(answers.is_empty(), "the session has what there is to send");
            *session
        }
        other => panic!("not accepted: {other:?}"),
    }
}

fn assert_refused(listener: &mut dtls_core::Listener, peer: SocketAddr, hello: &[u8]) {
    let mut answers = Datagrams::new();
    let accepted = listener.handle_datagram(peer, hello, &mut answers, clock::now());
    assert!(matches!(accepted, Ok(Accepted::CookieSent)), "{accepted:?}");
    let answer = only(answers.iter().map(<[u8]>::to_vec).collect());
    assert_eq!(records::message(&answer), Some(records::HELLO_VERIFY_REQUEST));
    assert!(answer.len() < hello.len());
}

fn only(mut datagrams: Vec<Vec<u8>>) -> Vec<u8> {
    assert_eq!(datagrams.len(), 1, "exactly one datagram");
    datagrams.remove(0)
}
