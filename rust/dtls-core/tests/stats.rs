//! What is counted, and that it is the truth.

mod support;

use dtls_core::{Count, Dropped, Reason, Session, Stats};
use support::link::{End, Link, Server, ToClient, ToServer, established, packets, sealed};
use support::{clock, pki, records};

/// What was dropped, by reason: malformed, forged, replayed, too early, unexpected. Nothing is for want of
/// room, which `edge.rs` looks at.
fn dropped(stats: &Stats) -> [u64; 5] {
    let [malformed, forged, replayed, early, unexpected, full, send_full] = Dropped::ALL else {
        panic!("there is a reason that no test knows");
    };
    assert_eq!((stats[*full], stats[*send_full]), (0, 0));
    [malformed, forged, replayed, early, unexpected].map(|why| stats[*why])
}

fn failures(stats: &Stats) -> u64 {
    Reason::ALL.iter().map(|reason| stats[*reason]).sum()
}

#[test]
fn every_datagram_and_every_byte_of_a_connection_is_counted() {
    let mut link = established();
    link.client.send(b"from the client").expect("connected");
    link.server.session().send(b"from the server").expect("connected");
    link.server.session().send(b"and another").expect("connected");
    link.settle();
    let size = |direction| link.sent(direction).iter().map(|it| it.len() as u64).sum::<u64>();
    let count = |direction| link.sent(direction).len() as u64;
    let (client, server) = (link.client.stats(), link.server.listener.stats());
    for (stats, outgoing, incoming) in [(client, ToServer, ToClient), (server, ToClient, ToServer)]
    {
        assert_eq!(stats[Count::DatagramsSent], count(outgoing));
        assert_eq!(stats[Count::BytesSent], size(outgoing));
        assert_eq!(stats[Count::DatagramsReceived], count(incoming));
        assert_eq!(stats[Count::BytesReceived], size(incoming));
        assert_eq!((stats[Count::HandshakesStarted], stats[Count::HandshakesCompleted]), (1, 1));
        assert_eq!((dropped(&stats), failures(&stats)), ([0; 5], 0));
        assert_eq!(stats[Count::Retransmissions], 0);
    }
    assert_eq!((client[Count::PacketsSent], client[Count::PacketsReceived]), (1, 2));
    assert_eq!((server[Count::PacketsSent], server[Count::PacketsReceived]), (2, 1));
    assert_eq!((client[Count::CookiesSent], server[Count::CookiesSent]), (0, 1));
}

#[test]
fn what_a_session_has_counted_is_part_of_its_server_s_and_stays_there() {
    let mut link = established();
    link.assert_data_flows();
    let (session, server) = (link.server.session().stats(), link.server.listener.stats());
    assert_eq!(session[Count::PacketsReceived], 1);
    assert_eq!(server[Count::PacketsReceived], 1);
    assert_eq!((session[Count::Connections], server[Count::Connections]), (1, 1));
    // The first ClientHello and its answer belong to no session, nor does the one that opened it.
    assert_eq!(server[Count::DatagramsReceived], session[Count::DatagramsReceived] + 2);
    link.server.session = None;
    let left = link.server.listener.stats();
    assert_eq!(left[Count::Connections], 0);
    for count in Count::ALL.iter().filter(|count| **count != Count::Connections) {
        assert_eq!(left[*count], server[*count], "{}", count.name());
    }
    link.server.listener.set_config(pki::localhost());
    assert_eq!(link.server.listener.stats(), left);
}

/// How many connections the client, the server's session and the server count.
fn connections(link: &Link<Session, Server>) -> [u64; 3] {
    let session = link.server.session.as_ref().map(Session::stats).unwrap_or_default();
    [link.client.stats(), session, link.server.listener.stats()].map(|it| it[Count::Connections])
}

#[test]
fn connections_are_counted_for_as_long_as_they_exist() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    assert_eq!(connections(&link), [0; 3]);
    link.run();
    assert_eq!(connections(&link), [1; 3]);
    link.client.close();
    assert_eq!(connections(&link), [0, 1, 1]);
    link.settle();
    assert_eq!(connections(&link), [0; 3]);

    let mut link = established();
    link.server.session().transport_closed();
    assert_eq!(connections(&link), [1, 0, 0]);

    let mut link = Link::new(&pki::localhost(), &pki::client(&pki::ROOT.cert_pem(), "elsewhere"));
    link.run();
    assert_eq!(connections(&link), [0; 3], "a handshake that failed is none");
}

#[test]
fn handshakes_are_timed_and_repetitions_counted() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    // The client's last flight, once.
    link.lose(|direction, datagram| direction == ToServer && datagram.number == 2);
    link.run();
    link.assert_connected();
    for stats in [link.client.stats(), link.server.session().stats()] {
        assert!((300..=400).contains(&stats[Count::HandshakeMsec]));
        assert_eq!(stats[Count::Retransmissions], 1);
    }
}

#[test]
fn a_last_flight_that_goes_out_again_is_counted() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|direction, datagram| direction == ToClient && datagram.number == 2);
    link.run();
    link.assert_connected();
    assert_eq!(link.client.stats()[Count::Retransmissions], 1);
    let server = link.server.session().stats();
    assert_eq!(server[Count::Retransmissions], 1);
    assert_eq!(dropped(&server), [0; 5], "a flight that comes again is not noise");
}

#[test]
fn failures_are_counted_by_reason() {
    let mut link = Link::new(&pki::localhost(), &pki::client(&pki::ROOT.cert_pem(), "elsewhere"));
    link.run();
    assert_eq!(link.client.stats()[Reason::HostnameMismatch], 1);
    assert_eq!(link.server.listener.stats()[Reason::PeerAlert], 1);

    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|direction, datagram| direction == ToServer && datagram.number >= 2);
    link.run();
    assert_eq!(link.client.stats()[Reason::Timeout], 1);
    let server = link.server.listener.stats();
    assert_eq!((server[Reason::Timeout], failures(&server)), (1, 1));
    assert_eq!(server[Count::HandshakesCompleted], 0);
}

#[test]
fn a_connection_that_breaks_later_is_no_failed_handshake() {
    let mut link = established();
    link.client.transport_closed();
    assert_eq!(failures(&link.client.stats()), 0);
    let mut handshaking = support::link::connect(&pki::verifying());
    handshaking.transport_closed();
    assert_eq!(handshaking.stats()[Reason::Transport], 1);
}

/// What `session` counts of `datagrams` beyond what it has counted before.
fn counted(session: &mut Session, datagrams: &[&[u8]]) -> [u64; 5] {
    let before = dropped(&session.stats());
    datagrams.iter().for_each(|datagram| session.handle(datagram));
    let after = dropped(&session.stats());
    std::array::from_fn(|index| after[index] - before[index])
}

#[test]
fn forgeries_and_replays_are_told_apart() {
    let mut link = established();
    let real: Vec<Vec<u8>> = (0..70).map(|_| sealed(&mut link.client, b"real")).collect();
    let [first, second, .., last] = real.as_slice() else { panic!("there are seventy") };
    let mut forged = second.clone();
    *forged.last_mut().expect("a tag") ^= 1;
    let session = link.server.session();
    assert_eq!(counted(session, &[first]), [0; 5]);
    assert_eq!(counted(session, &[first]), [0, 0, 1, 0, 0]);
    assert_eq!(counted(session, &[&forged, &forged]), [0, 2, 0, 0, 0]);
    assert_eq!(counted(session, &[second]), [0; 5], "the real one is not the forgery");
    assert_eq!(counted(session, &[second, first]), [0, 0, 2, 0, 0]);
    assert_eq!(counted(session, &[last]), [0; 5]);
    // Never delivered, but too old by now for anyone to tell.
    assert_eq!(counted(session, &[&real[2]]), [0, 0, 1, 0, 0]);
    assert_eq!(packets(session).len(), 3);
    // Two in one datagram, of which one is known.
    assert_eq!(
        counted(session, &[&[real[68].clone(), first.clone()].concat()])[1..3].iter().sum::<u64>(),
        1
    );
    assert_eq!(packets(session).len(), 1);
}

#[test]
fn noise_is_counted() {
    let mut link = established();
    let alert = records::forge(records::ALERT, 0, 900, &[2, 40]);
    let future = records::forge(records::APPLICATION_DATA, 2, 1, &[7; 60]);
    let finished = records::forge(records::HANDSHAKE, 1, 900, &[7; 60]);
    for session in [&mut link.client, link.server.session.as_mut().expect("a session")] {
        assert_eq!(counted(session, &[b"", b"\x16", &[0xff; 300]]), [3, 0, 0, 0, 0]);
        assert_eq!(counted(session, &[&alert, &future, &finished]), [0, 0, 0, 0, 3]);
    }
    link.assert_data_flows();
}

#[test]
fn what_is_no_client_hello_is_counted() {
    let mut server = Server::new(&pki::localhost());
    let data = records::forge(records::APPLICATION_DATA, 1, 1, &[7; 60]);
    for datagram in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &data] {
        server.handle(datagram);
    }
    assert_eq!(dropped(&server.listener.stats()), [2, 0, 0, 0, 1]);
    assert_eq!(server.listener.stats()[Count::HandshakesStarted], 0);
}

#[test]
fn what_comes_before_the_keys_and_is_too_much_is_counted() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|direction, datagram| direction == ToServer && datagram.number >= 2);
    link.settle();
    let early = records::forge(records::APPLICATION_DATA, 1, 1, &[7; 60]);
    let many = [early.as_slice(); 20];
    assert_eq!(counted(link.server.session(), &many), [0, 0, 0, 4, 0]);
    assert_eq!(clock::elapsed().as_millis(), 0);
}
