//! What the clients of one network may take up of a server: unfinished handshakes, and connections.

mod support;

use std::num::NonZeroUsize;

use dtls_core::{
    Accepted, Count, Datagrams, Failure, Listener, Reason, ServerConfig, Session, Status,
};
use support::link::{End, Link, address, connect, listener};
use support::pki::Rebuild as _;
use support::{clock, pki, records};

const ACCESS_DENIED: u8 = 49;

fn with_room_for(handshakes: usize) -> ServerConfig {
    pki::localhost().rebuild(|it| it.with_max_pending_handshakes(handshakes)).expect("a limit")
}

fn with_peers(count: usize) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_max_peers_per_prefix(NonZeroUsize::new(count)))
        .expect("usable")
}

fn exempting(config: ServerConfig, exempt: &str) -> ServerConfig {
    config
        .rebuild(|it| it.with_exempt_addresses([exempt.parse().expect("an address")]))
        .expect("usable")
}

/// A client at `peer` that has got as far as its cookie, and its session.
fn begun(listener: &mut Listener, peer: &str) -> (Session, Session) {
    let mut client = connect(&pki::verifying());
    let mut outgoing = Datagrams::new();
    loop {
        let hello = client.take();
        assert_eq!(hello.len(), 1);
        let accepted =
            listener.handle_datagram(address(peer), &hello[0], &mut outgoing, clock::now());
        if let Accepted::Session(session) = accepted.expect("OpenSSL works") {
            return (client, *session);
        }
        outgoing.iter().for_each(|datagram| client.handle(datagram));
        outgoing.clear();
    }
}

/// Lets the two talk until they have nothing more to say.
fn talk(client: &mut Session, session: &mut Session) {
    loop {
        let (to_client, to_server) = (session.take(), client.take());
        if to_client.is_empty() && to_server.is_empty() {
            return;
        }
        to_client.iter().for_each(|datagram| client.handle(datagram));
        to_server.iter().for_each(|datagram| session.handle(datagram));
    }
}

/// The same for a client that has to get through.
fn connected(listener: &mut Listener, peer: &str) -> (Session, Session) {
    let (mut client, mut session) = begun(listener, peer);
    talk(&mut client, &mut session);
    assert_eq!((client.status(), session.status()), (Status::Connected, Status::Connected));
    (client, session)
}

fn goes_on(session: &mut Session) -> bool {
    session.handle_timeout(clock::now());
    session.status() == Status::Handshaking
}

#[test]
fn one_host_does_not_push_the_others_out() {
    for attackers in [
        ["198.51.100.1", "198.51.100.1", "198.51.100.1"],
        ["[2001:db8::1]", "[2001:db8::2]", "[2001:db8::ff:0:0:3]"],
        ["198.51.100.1", "[::ffff:198.51.100.1]", "198.51.100.1"],
    ] {
        let mut listener = listener(&with_room_for(4));
        let (mut player, mut own) = begun(&mut listener, "192.0.2.1:4242");
        let mut others: Vec<Session> = (0..40)
            .map(|index: usize| {
                let peer = format!("{}:{}", attackers[index % 3], 1000 + index);
                begun(&mut listener, &peer).1
            })
            .collect();
        assert!(goes_on(&mut own));
        talk(&mut player, &mut own);
        assert_eq!((player.status(), own.status()), (Status::Connected, Status::Connected));
        let left: Vec<bool> = others.iter_mut().map(goes_on).collect();
        assert_eq!(left.iter().position(|it| *it), Some(37), "its own oldest have to go");
    }
}

#[test]
fn a_newcomer_takes_the_place_of_the_largest() {
    let mut listener = listener(&with_room_for(3));
    let peers = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.2:2", "192.0.2.3:1"];
    let mut sessions = peers.map(|peer| begun(&mut listener, peer).1);
    assert_eq!(sessions.each_mut().map(goes_on), [true, false, true, true]);
    // Where each has one, the oldest goes.
    let mut last = begun(&mut listener, "192.0.2.4:1").1;
    assert_eq!(sessions.each_mut().map(goes_on), [false, false, true, true]);
    assert!(goes_on(&mut last));
}

#[test]
fn the_clients_of_an_exempt_address_are_counted_one_by_one() {
    for exempt in ["198.51.100.1", "::ffff:198.51.100.1"] {
        let mut listener = listener(&exempting(with_room_for(4), exempt));
        let peers = ["192.0.2.1:1", "192.0.2.1:2", "198.51.100.1:1", "198.51.100.1:2"];
        let mut sessions = peers.map(|peer| begun(&mut listener, peer).1);
        let mut last = begun(&mut listener, "198.51.100.1:3").1;
        assert_eq!(sessions.each_mut().map(goes_on), [false, true, true, true]);
        assert!(goes_on(&mut last));
    }
}

#[test]
fn a_network_has_as_many_peers_as_it_may() {
    let mut listener = listener(&with_peers(2));
    let first = connected(&mut listener, "192.0.2.1:1");
    let mut second = connected(&mut listener, "[::ffff:192.0.2.1]:2");
    let (mut client, mut refused) = begun(&mut listener, "192.0.2.1:3");
    assert_eq!(refused.failure(), Some(&Failure::TooManyPeers { limit: 2 }));
    let text = "2 clients of this network are connected already, which is the limit";
    assert_eq!(refused.failure().map(ToString::to_string).as_deref(), Some(text));
    assert_eq!(refused.failure().map(Failure::reason), Some(Reason::TooManyPeers));
    let told = refused.take();
    assert_eq!(told.len(), 1, "nothing but the alert");
    assert_eq!(records::alert(&told[0]), Some(ACCESS_DENIED));
    client.handle(&told[0]);
    assert_eq!(client.failure(), Some(&Failure::PeerAlert(ACCESS_DENIED)));
    let stats = listener.stats();
    assert_eq!((stats[Reason::TooManyPeers], stats[Count::Connections]), (1, 2));

    // Others are not concerned, and whoever ends a connection makes room.
    let other = connected(&mut listener, "192.0.2.2:1");
    second.0.close();
    talk(&mut second.0, &mut second.1);
    let third = connected(&mut listener, "192.0.2.1:4");
    drop(first);
    let fourth = connected(&mut listener, "192.0.2.1:5");
    drop((other, third, fourth));
}

#[test]
fn whoever_comes_too_late_is_not_let_in() {
    let mut listener = listener(&with_peers(1));
    let mut both = [1, 2].map(|port| begun(&mut listener, &format!("192.0.2.1:{port}")));
    for (client, session) in &mut both {
        talk(client, session);
    }
    let [(_, first), (client, second)] = &both;
    assert_eq!(first.status(), Status::Connected);
    assert_eq!(second.failure(), Some(&Failure::TooManyPeers { limit: 1 }));
    assert_ne!(client.status(), Status::Connected);
}

#[test]
fn without_a_limit_and_at_an_exempt_address_there_is_room_for_all() {
    let peers = [1, 2, 3].map(|port| format!("192.0.2.1:{port}"));
    for config in [pki::localhost(), with_peers(0), exempting(with_peers(1), "192.0.2.1")] {
        let mut listener = listener(&config);
        let connected = peers.each_ref().map(|peer| connected(&mut listener, peer));
        assert_eq!(listener.stats()[Count::Connections], 3);
        drop(connected);
    }
}

#[test]
fn a_client_that_starts_again_takes_over_its_own_connection() {
    let mut link = Link::established(&with_peers(1), &pki::verifying());
    link.client = connect(&pki::verifying());
    link.settle();
    assert_eq!(link.server.session().status(), Status::Closed);
    // Nobody else gets in meanwhile.
    let (_, refused) = begun(&mut link.server.listener, "192.0.2.1:1");
    assert_eq!(refused.failure(), Some(&Failure::TooManyPeers { limit: 1 }));
    link.server.session = None;
    link.run();
    link.assert_connected();
    link.assert_data_flows();
    let server = link.server.vacated();
    drop(link.client);
    let mut next = Link::between(connect(&pki::verifying()), server);
    next.run();
    next.assert_connected();
}
