//! Peers that fall silent.

mod support;

use std::time::Duration;

use dtls_core::{Ending, Limits, Status};
use support::link::{End, Link, established, packets};
use support::pki::Rebuild as _;
use support::{clock, pki, records};

#[test]
fn a_silent_peer_is_given_up_after_the_idle_timeout_and_told() {
    let limits = Limits::default().with_idle_timeout(Some(Duration::from_secs(5))).expect("a time");
    let config = pki::localhost().rebuild(|it| it.with_limits(limits)).expect("usable");
    let mut link = Link::new(&config, &pki::verifying());
    link.settle();
    link.assert_connected();
    for _ in 0..4 {
        clock::advance(Duration::from_secs(4));
        link.client.send(b"still here").expect("connected");
        link.settle();
        link.server.handle_timeout();
    }
    // What anyone can send is no sign of life, and neither is what this side sends.
    clock::advance(Duration::from_millis(4900));
    let forged = records::forge(records::APPLICATION_DATA, 1, 900, &[7; 60]);
    link.server.handle(&forged);
    link.server.session().send(b"anyone?").expect("connected");
    link.server.handle_timeout();
    assert_eq!(link.server.session().status(), Status::Connected);

    clock::advance(Duration::from_millis(100));
    link.server.handle_timeout();
    let session = link.server.session();
    assert_eq!(session.ending(), Some(Ending::Idle(Duration::from_secs(5))));
    assert_eq!(packets(session).len(), 4, "what it said stays");
    link.settle();
    assert_eq!(link.client.ending(), Some(Ending::ClosedByPeer));
}

#[test]
fn a_time_that_is_too_long_to_be_told_never_comes() {
    let limits = Limits::default().with_idle_timeout(Some(Duration::MAX)).expect("a time");
    let client = pki::verifying().rebuild(|it| it.with_limits(limits)).expect("usable");
    let mut link = Link::established(
        &pki::localhost().rebuild(|it| it.with_limits(limits)).expect("usable"),
        &client,
    );
    assert_eq!(link.server.next_timeout(), None);
    link.assert_data_flows();
}

#[test]
fn by_default_no_one_is_too_silent() {
    let mut link = established();
    clock::advance(Duration::from_secs(100_000));
    assert_eq!(link.server.next_timeout(), None);
    link.server.handle_timeout();
    link.client.handle_timeout(clock::now());
    link.assert_data_flows();
}

#[test]
fn a_peer_whose_datagrams_wait_outside_is_not_idle() {
    let idle = Duration::from_secs(5);
    let limits = Limits::default().with_idle_timeout(Some(idle)).expect("a time");
    let server = pki::localhost().rebuild(|it| it.with_limits(limits)).expect("usable");
    let mut link = Link::new(&server, &pki::verifying());
    link.settle();
    link.assert_connected();
    while !link.server.session().is_full() {
        link.client.send(&[7; 16 * 1024]).expect("connected");
        link.settle();
    }
    // Its owner reads slowly. Nobody can know what has come since.
    let session = link.server.session();
    assert_eq!(session.next_timeout(), None);
    clock::advance(3 * idle);
    session.handle_timeout(clock::now());
    assert_eq!(session.status(), Status::Connected, "while the queue is full");
    // It looks at the timer before it takes the next datagram.
    assert!(session.receive().is_some());
    session.handle_timeout(clock::now());
    assert_eq!(session.status(), Status::Connected, "before anything was taken from outside");
    clock::advance(idle - Duration::from_millis(1));
    session.handle_timeout(clock::now());
    assert_eq!(session.status(), Status::Connected);
    clock::advance(Duration::from_millis(1));
    session.handle_timeout(clock::now());
    assert_eq!(session.ending(), Some(Ending::Idle(idle)), "nothing came in all that time");
}
