//! Clients that begin anew, for another address of their server, and clients whose time has begun before.

mod support;

use std::time::Duration;

use dtls_core::{Count, Failure, Session, Status};
use support::link::{End, Link, Server, ToServer, connect};
use support::silence::{FIRST_ANSWER, ms};
use support::{clock, pki, records};

/// What tells one ClientHello from another.
fn random(hello: &[u8]) -> &[u8] {
    assert_eq!(records::message(hello), Some(records::CLIENT_HELLO));
    &hello[records::HEADER + 14..][..32]
}

fn assert_timed_out(client: &Session, after: Duration) {
    match client.failure() {
        Some(Failure::TimedOut { after: waited, .. }) => assert_eq!(*waited, after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_hello_goes_out_and_the_time_goes_on() {
    let mut client = connect(&pki::verifying());
    let first = client.take();
    assert!(client.is_unanswered());
    clock::advance(ms(900));
    client.start_over(clock::now());
    let second = client.take();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(random(&first[0]), random(&second[0]));
    assert!(client.is_unanswered(), "still");
    let stats = client.stats();
    assert_eq!((stats[Count::DatagramsSent], stats[Count::Retransmissions]), (2, 1));

    let timer = client.next_timeout().expect("it goes out again");
    let wait = timer - clock::now();
    assert!(wait > ms(250) && wait <= ms(400), "as the first flight: {wait:?}");
    clock::advance(FIRST_ANSWER - ms(901));
    client.handle_timeout(clock::now());
    assert_eq!(client.status(), Status::Handshaking);
    clock::advance(ms(1));
    client.handle_timeout(clock::now());
    assert_timed_out(&client, FIRST_ANSWER);
}

#[test]
fn a_client_that_has_begun_anew_gets_through() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|to, datagram| to == ToServer && datagram.number == 0);
    link.settle();
    clock::advance(ms(100));
    link.client.start_over(clock::now());
    link.run();
    link.assert_connected();
    assert_eq!(clock::elapsed(), ms(100), "at once");
    link.assert_data_flows();
}

#[test]
fn a_client_that_was_answered_does_not_begin_anew() {
    let mut client = connect(&pki::verifying());
    let mut server = Server::new(&pki::localhost());
    for hello in client.take() {
        server.handle(&hello);
    }
    for cookie in server.take() {
        client.handle(&cookie);
    }
    assert!(!client.is_unanswered());
    let answer = client.take();
    client.start_over(clock::now());
    assert!(!client.has_outgoing());
    let mut link = Link::between(client, server);
    for datagram in answer {
        link.inject(ToServer, &datagram);
    }
    link.run();
    link.assert_connected();
    link.client.start_over(clock::now());
    link.assert_data_flows();
    assert!(!link.client.is_unanswered());
    let server = link.server.session();
    server.start_over(clock::now());
    assert!(!server.is_unanswered());
    link.assert_data_flows();
}

#[test]
fn a_server_does_not_begin_anew() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    while link.server.session.is_none() {
        assert!(link.deliver_one());
    }
    let server = link.server.session();
    assert_eq!(server.status(), Status::Handshaking);
    assert!(!server.is_unanswered());
    server.start_over(clock::now());
    link.run();
    link.assert_connected();
}

#[test]
fn time_from_before_the_session_counts() {
    let client = pki::verifying();
    let since = |before: Duration| {
        let began = clock::now();
        clock::advance(before);
        let name = client.server_name.clone();
        Session::connect_since(&client.config, name, began, clock::now()).expect("OpenSSL works")
    };
    // There is time for a first answer, but not for more than that.
    for (before, left) in [(ms(19_000), FIRST_ANSWER), (ms(25_000), ms(5000))] {
        let mut session = since(before);
        clock::advance(left - ms(1));
        session.handle_timeout(clock::now());
        assert_eq!(session.status(), Status::Handshaking);
        clock::advance(ms(1));
        session.handle_timeout(clock::now());
        assert_timed_out(&session, before + left);
    }

    let mut link = Link::between(since(ms(19_000)), Server::new(&pki::localhost()));
    let began = clock::elapsed();
    link.deliver_one();
    link.deliver_one();
    assert!(!link.client.is_unanswered());
    link.lose(|_, _| true);
    link.run();
    assert_timed_out(&link.client, ms(30_000));
    assert_eq!(clock::elapsed() - began, ms(11_000));
}
