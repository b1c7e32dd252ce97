//! Certificates that are larger than what is let through before anyone is authenticated.

mod support;

use dtls_core::{ClientVerification, Dropped, Failure, Reason, Status};
use support::link::{End, Link, Server, ToClient, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::records::{CERTIFICATE, HANDSHAKE};
use support::{clock, pki, raw, records};
use test_pki::{Issued, Profile, Usage};

/// What is let through, in bytes of the message.
const MOST: usize = 16 * 1024;

/// A certificate with so many names of 38 bytes.
fn with_names(count: usize, usage: Usage) -> Issued {
    let names = (0..count).map(|number| format!("{number:04}.of-very-many.names.example"));
    let profile = Profile::localhost().usage(usage);
    pki::ROOT.issue(names.fold(profile, Profile::dns))
}

fn bytes_of(failure: &Failure) -> usize {
    match failure {
        Failure::CertificatesTooLarge { bytes } => *bytes,
        other => panic!("another failure: {other:?}"),
    }
}

#[test]
fn a_client_says_that_a_server_has_too_many_certificates() {
    let server = Raw::server(raw::context_of(&with_names(600, Usage::Server)));
    let mut link = Link::between(connect(&pki::verifying()), server);
    let start = clock::elapsed();
    link.run();
    let failure = link.client.failure().expect("it cannot connect").clone();
    assert!(bytes_of(&failure) > MOST, "{failure}");
    assert_eq!(failure.reason(), Reason::CertificateTooLarge);
    // The server repeats its flight after a second.
    let took = (clock::elapsed() - start).as_millis();
    assert!(took <= 3000, "{took} ms");
    assert_eq!(link.server.alert(), Some(90), "the server is told");
    assert!(link.client.stats()[Dropped::Malformed] > 0);
    assert_eq!(link.client.stats()[Reason::CertificateTooLarge], 1);
}

#[test]
fn a_server_says_that_a_client_has_too_many_certificates() {
    let client = Raw::client(raw::context_of(&with_names(600, Usage::Client)));
    let trust = pki::trust(&pki::ROOT.cert_pem());
    let config =
        pki::localhost().rebuild(|it| it.with_verification(ClientVerification::Required(trust)));
    let mut link = Link::between(client, Server::new(&config.expect("a configuration")));
    link.run();
    let failure = link.server.session().failure().expect("it cannot connect").clone();
    assert!(bytes_of(&failure) > MOST, "{failure}");
    assert_eq!(link.client.alert(), Some(90), "the client is told");
}

#[test]
fn what_fits_connects() {
    // Otherwise the tests above could fail for another reason.
    let server = Raw::server(raw::context_of(&with_names(300, Usage::Server)));
    let mut link = Link::between(connect(&pki::verifying()), server);
    link.run();
    assert_eq!((link.client.failure(), link.client.status()), (None, Status::Connected));
    assert_eq!(link.server.progress, Progress::Connected);
}

/// The beginning of a message with more certificates than are let through.
fn forged(number: u64) -> Vec<u8> {
    records::forge(HANDSHAKE, 0, number, &records::fragment(CERTIFICATE, 20_000, 2, 0, &[1; 50]))
}

#[test]
fn one_that_a_stranger_has_made_up_is_no_reason() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    for number in 40..50 {
        link.client.handle(&forged(number));
    }
    // The flight goes out again, as if nothing had come, and is answered.
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn one_behind_the_real_certificates_is_no_reason_ever() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    // The client has it all, and its answer does not arrive.
    link.each(|direction, datagram| {
        let is_lost = direction != ToClient && records::message(&datagram.bytes) != Some(1);
        if is_lost { Vec::new() } else { vec![datagram.bytes.clone()] }
    });
    link.settle();
    for second in 1..20 {
        link.client.handle(&forged(40 + second));
        clock::advance(std::time::Duration::from_secs(1));
        link.client.handle_timeout(clock::now());
        assert_eq!(link.client.failure(), None, "after {second} s");
    }
    clock::advance(std::time::Duration::from_secs(15));
    link.client.handle_timeout(clock::now());
    let failure = link.client.failure().expect("its time is over");
    assert!(matches!(failure, Failure::TimedOut { .. }), "{failure:?}");
}

#[test]
fn a_server_that_asks_for_no_certificate_does_not_look_at_any() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    while link.server.session.is_none() {
        assert!(link.deliver_one());
    }
    // What the server says is lost, so it repeats it.
    link.each(|_, _| Vec::new());
    for second in 1..10 {
        link.server.handle(&forged(40 + second));
        clock::advance(std::time::Duration::from_secs(1));
        link.server.session().handle_timeout(clock::now());
        assert_eq!(link.server.session().failure(), None, "after {second} s");
    }
}
