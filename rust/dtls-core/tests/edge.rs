//! Datagrams in the wrong order, twice, at the wrong time; and the limits of packets.

mod support;

use std::collections::VecDeque;

use dtls_core::{Count, Dropped, Failure, Limits, MAX_PACKET, SendError, Session, Status};
use openssl::ssl::SslVersion;
use support::flight::orders;
use support::link::{
    Direction, End, Link, Passing, Server, ToClient, ToServer, address, connect, established,
    packets, sealed, wide,
};
use support::raw::{Progress, Raw};
use support::{clock, pki, raw, records};

const USER_CANCELED: u8 = 90;
/// What AES-GCM adds to a packet.
const OVERHEAD: usize = 13 + 8 + 16;

fn bytes(datagrams: Vec<Passing>) -> Vec<Vec<u8>> {
    datagrams.into_iter().map(|datagram| datagram.bytes).collect()
}

#[test]
fn flights_may_arrive_backwards() {
    let mut link = wide();
    link.weather(|_, datagrams| bytes(datagrams).into_iter().rev().collect());
    link.run();
    link.assert_connected();
    assert_eq!(clock::elapsed().as_millis(), 0, "nothing has to be sent again");
    assert!(link.sent(ToClient).len() > 3);
    link.assert_data_flows();
}

#[test]
fn records_may_come_one_by_one_and_backwards() {
    let mut link = wide();
    link.weather(|_, datagrams| {
        let whole = bytes(datagrams);
        whole.iter().flat_map(|it| records::split(it)).rev().map(<[u8]>::to_vec).collect()
    });
    link.run();
    link.assert_connected();
    assert!(clock::elapsed().as_millis() <= 800, "{:?}", clock::elapsed());
    link.assert_data_flows();
}

#[test]
fn every_datagram_may_come_twice() {
    let mut link = wide();
    link.each(|_, datagram| vec![datagram.bytes.clone(); 2]);
    link.run();
    link.assert_connected();
    assert_eq!(clock::elapsed().as_millis(), 0);
    link.assert_data_flows();
}

#[test]
fn packets_may_come_in_the_datagram_of_finished() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    until_server_is_connected(&mut link);
    link.server.session().send(b"one").expect("connected");
    link.server.session().send(b"two").expect("connected");
    let datagrams = link.server.take();
    assert!(datagrams.len() >= 3, "the last flight and two packets");
    link.client.handle(&datagrams.concat());
    assert_eq!(link.client.status(), Status::Connected);
    assert_eq!(packets(&mut link.client), [b"one", b"two"]);
    link.assert_data_flows();
}

/// Stops when the server's last flight is still to be sent.
fn until_server_is_connected(link: &mut Link<Session, Server>) {
    loop {
        for datagram in link.client.take() {
            link.server.handle(&datagram);
        }
        let connected = |session: &Session| session.status() == Status::Connected;
        if link.server.session.as_ref().is_some_and(connected) {
            assert_eq!(link.client.status(), Status::Handshaking);
            return;
        }
        for datagram in link.server.take() {
            link.client.handle(&datagram);
        }
    }
}

#[test]
fn packets_may_overtake_the_last_flight_of_the_server() {
    // NewSessionTicket, ChangeCipherSpec, Finished and two packets, each in a datagram of its own, in
    // every order.
    for order in orders(&[0, 1, 2, 3, 4]) {
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        until_server_is_connected(&mut link);
        link.server.session().send(b"one").expect("connected");
        link.server.session().send(b"two").expect("connected");
        let sent = link.server.take().concat();
        let records = records::split(&sent);
        assert_eq!(records.len(), 5);
        for index in &order {
            link.client.handle(records[*index]);
        }
        link.run();
        assert_eq!(link.client.failure(), None, "{order:?}");
        link.assert_connected();
        let mut received = packets(&mut link.client);
        received.sort();
        assert_eq!(received, [b"one", b"two"], "{order:?}");
        link.assert_data_flows();
    }
}

#[test]
fn a_packet_that_overtook_the_last_flight_does_not_wait_for_the_next() {
    for order in orders(&[0, 1, 2, 3]) {
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        until_server_is_connected(&mut link);
        link.server.session().send(b"early").expect("connected");
        let sent = link.server.take().concat();
        let records = records::split(&sent);
        for index in &order {
            link.client.handle(records[*index]);
        }
        link.run();
        link.assert_connected();
        assert_eq!(packets(&mut link.client), [b"early"], "{order:?}");
    }
}

#[test]
fn records_of_the_last_client_flight_may_come_in_any_order() {
    for order in orders(&[0, 1, 2]) {
        let start = clock::elapsed();
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        let shown = format!("{order:?}");
        link.weather(move |direction, datagrams| {
            let sent = bytes(datagrams).concat();
            let records = records::split(&sent);
            let is_last = direction == ToServer && records.len() == 3;
            let arriving = if is_last { order.clone() } else { (0..records.len()).collect() };
            arriving.into_iter().map(|index| records[index].to_vec()).collect()
        });
        link.run();
        link.assert_connected();
        // ChangeCipherSpec before the message that it follows is dropped and sent again.
        let took = clock::elapsed() - start;
        assert!(took.as_millis() <= 400, "{shown}: {took:?}");
        link.assert_data_flows();
    }
}

#[test]
fn replayed_packets_are_received_once() {
    let mut link = established();
    let datagrams: Vec<_> = (0..20u8).map(|it| sealed(&mut link.client, &[it])).collect();
    for datagram in datagrams.iter().chain(&datagrams).chain(datagrams.iter().rev()) {
        link.server.handle(datagram);
    }
    let received = packets(link.server.session());
    assert_eq!(received, (0..20u8).map(|it| vec![it]).collect::<Vec<_>>());
    link.assert_data_flows();
}

#[test]
fn reordered_packets_are_received_as_far_back_as_the_window_goes() {
    let mut link = established();
    let datagrams: Vec<_> = (0..60u8).map(|it| sealed(&mut link.client, &[it])).collect();
    for datagram in datagrams.iter().rev() {
        link.server.handle(datagram);
    }
    assert_eq!(packets(link.server.session()).len(), 60);
    let late = sealed(&mut link.client, b"late");
    for number in 0..200u8 {
        let datagram = sealed(&mut link.client, &[number]);
        link.server.handle(&datagram);
    }
    link.server.handle(&late);
    assert_eq!(packets(link.server.session()).len(), 200, "too old to tell from a replay");
}

#[test]
fn a_close_is_heard_and_what_came_before_stays() {
    for from_client in [true, false] {
        let mut link = established();
        link.client.send(b"from the client").expect("connected");
        link.server.session().send(b"from the server").expect("connected");
        link.settle();
        let closing = if from_client { &mut link.client } else { link.server.session() };
        closing.close();
        assert_eq!(closing.status(), Status::Closed);
        link.settle();
        let mut ends = [&mut link.client, link.server.session.as_mut().expect("a session")];
        for end in &mut ends {
            assert_eq!(end.status(), Status::Closed);
            assert_eq!(end.failure(), None);
            assert_eq!(end.send(b"too late"), Err(SendError::NotConnected));
            assert_eq!(end.take(), Vec::<Vec<u8>>::new());
            assert_eq!(end.received(), 1);
        }
        assert_eq!(packets(ends[0]), [b"from the server"]);
        assert_eq!(packets(ends[1]), [b"from the client"]);
    }
}

#[test]
fn a_close_is_answered() {
    for from_client in [true, false] {
        let mut link = established();
        let closing = if from_client { &mut link.client } else { link.server.session() };
        closing.close();
        let said = closing.take();
        assert_eq!(said.len(), 1);
        assert_eq!((records::content(&said[0]), records::epoch(&said[0])), (21, 1));
        let other = if from_client { link.server.session() } else { &mut link.client };
        other.handle(&said[0]);
        assert_eq!(other.status(), Status::Closed);
        let answers = other.take();
        assert_eq!(answers.len(), 1, "close_notify comes back");
        assert_eq!((records::content(&answers[0]), records::epoch(&answers[0])), (21, 1));
    }
}

#[test]
fn a_close_of_plain_openssl_is_heard_and_ours_by_it() {
    let client = Raw::client(raw::context());
    let mut link = Link::between(client, Server::new(&pki::localhost()));
    link.run();
    link.client.send(b"last words");
    link.client.shutdown();
    link.settle();
    assert_eq!(link.server.session().status(), Status::Closed);
    assert_eq!(packets(link.server.session()), [b"last words"]);

    let server = Raw::server(raw::context_of(&pki::LOCALHOST));
    let mut link = Link::between(connect(&pki::verifying()), server);
    link.run();
    link.client.close();
    link.settle();
    assert_eq!(link.server.progress, Progress::Closed);
}

#[test]
fn both_may_close_at_once() {
    let mut link = established();
    link.client.close();
    link.server.session().close();
    link.settle();
    assert_eq!(link.client.status(), Status::Closed);
    assert_eq!(link.server.session().status(), Status::Closed);
    link.client.close();
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new(), "once is enough");
}

#[test]
fn a_close_in_the_datagram_of_packets_comes_after_them() {
    let mut link = established();
    link.client.send(b"one").expect("connected");
    link.client.send(b"two").expect("connected");
    link.client.close();
    let datagram = link.client.take().concat();
    link.server.handle(&datagram);
    assert_eq!(link.server.session().status(), Status::Closed);
    assert_eq!(packets(link.server.session()), [b"one", b"two"]);
}

#[test]
fn a_close_during_the_handshake_is_told() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    for _ in 0..3 {
        link.deliver_one();
    }
    assert_eq!(link.server.session().status(), Status::Handshaking);
    link.client.close();
    assert_eq!(link.client.status(), Status::Closed);
    link.settle();
    let told = Failure::PeerAlert(USER_CANCELED);
    assert_eq!(link.server.session().failure(), Some(&told));

    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    for _ in 0..3 {
        link.deliver_one();
    }
    link.server.session().close();
    link.settle();
    assert_eq!(link.client.failure(), Some(&told));
}

#[test]
fn a_socket_that_is_gone_is_a_failure() {
    let mut client = connect(&pki::verifying());
    client.transport_closed();
    assert_eq!(client.failure(), Some(&Failure::TransportClosed));
    let mut link = established();
    link.server.session().send(b"before").expect("connected");
    link.settle();
    link.client.transport_closed();
    assert_eq!(link.client.status(), Status::Failed);
    assert_eq!(packets(&mut link.client), [b"before"]);
    link.client.transport_closed();
    assert_eq!(link.client.failure(), Some(&Failure::TransportClosed));
    link.client.close();
    assert_eq!(link.client.status(), Status::Closed, "closing forgets the failure");
    link.client.transport_closed();
    assert_eq!(link.client.status(), Status::Closed, "over is over");
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new());
    link.server.session().close();
    link.server.session().transport_closed();
    assert_eq!(link.server.session().status(), Status::Closed, "over is over");
}

#[test]
fn packets_are_sent_only_while_connected() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    assert_eq!(link.client.send(b"early"), Err(SendError::NotConnected));
    assert_eq!(link.client.send(b""), Err(SendError::NotConnected));
    assert_eq!(link.client.max_packet_size(), Limits::default().max_packet_size());
    link.run();
    link.assert_connected();
    link.assert_data_flows();
    assert_eq!(link.client.receive(), None);
    link.client.close();
    assert_eq!(link.client.send(b"late"), Err(SendError::NotConnected));
}

#[test]
fn packets_have_from_1_to_16384_bytes() {
    let mut link = established();
    assert_eq!(MAX_PACKET, 16_384);
    assert_eq!(link.client.send(b""), Ok(()));
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new(), "an empty one is not sent");
    for length in [1, 1163, 1164, 16_383, 16_384] {
        let packet = vec![0x5a; length];
        assert_eq!(link.client.send(&packet), Ok(()), "{length}");
        assert_eq!(link.server.session().send(&packet), Ok(()), "{length}");
        link.settle();
        assert_eq!(packets(link.server.session()), [packet.as_slice()], "{length}");
        assert_eq!(packets(&mut link.client), [packet.as_slice()], "{length}");
    }
    for length in [16_385, 70_000] {
        assert_eq!(link.client.send(&vec![0; length]), Err(SendError::TooLarge), "{length}");
    }
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new());
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn the_largest_packet_fills_a_datagram() {
    for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let mut context = raw::context();
        context.set_cipher_list(suite).expect("a suite");
        context.set_max_proto_version(Some(SslVersion::DTLS1_2)).expect("a version");
        let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
        link.run();
        let session = link.server.session();
        let largest = session.max_packet_size();
        assert!(largest >= Limits::default().max_packet_size(), "{suite}");
        session.send(&vec![1; largest]).expect("connected");
        session.send(&vec![1; largest + 1]).expect("connected, if too large for the path");
        let lengths: Vec<usize> = session.take().iter().map(Vec::len).collect();
        assert_eq!(lengths, [1200, 1201], "{suite}");
    }
    assert_eq!(Limits::default().max_packet_size(), 1200 - OVERHEAD);
    assert_eq!(established().client.max_packet_size(), 1200 - OVERHEAD);
}

#[test]
fn a_full_queue_says_so_and_takes_no_more() {
    let mut link = established();
    let packet = vec![7; 16 * 1024];
    let mut count = 0;
    while !link.server.session().is_full() {
        link.client.send(&packet).expect("connected");
        link.settle();
        count += 1;
        assert_eq!(link.server.session().received(), count);
        assert!(count <= 64, "a mebibyte is enough");
    }
    assert_eq!(count, 64);
    assert_eq!(link.server.session().stats()[Dropped::QueueFull], 0);
    // Who goes on all the same loses what comes, and can see how much.
    for _ in 0..3 {
        link.client.send(&packet).expect("connected");
    }
    link.settle();
    let stats = link.server.session().stats();
    assert_eq!(link.server.session().received(), 64);
    assert_eq!((stats[Dropped::QueueFull], stats[Count::PacketsReceived]), (3, 64));
    assert_eq!(link.server.session().receive().as_ref(), Some(&packet));
    assert!(!link.server.session().is_full());
    // Who asks before each datagram loses nothing, whatever is in it.
    for _ in 0..5 {
        link.client.send(&packet[..3200]).expect("connected");
    }
    let datagram = link.client.take().concat();
    link.server.handle(&datagram);
    assert!(link.server.session().is_full());
    assert_eq!(packets(link.server.session()).len(), 63 + 5);
    // What is not a packet is heard when there is no room for one.
    while !link.server.session().is_full() {
        link.client.send(&packet).expect("connected");
        link.settle();
    }
    link.client.close();
    link.settle();
    assert_eq!(link.server.session().status(), Status::Closed);
    assert_eq!(packets(link.server.session()).len(), 64);
}

#[test]
fn what_nobody_transmits_is_kept_up_to_a_mebibyte() {
    let mut link = established();
    let packet = [7; 1000];
    let mut sent = 0;
    while link.client.send(&packet).is_ok() {
        sent += 1;
        assert!(sent < 1000, "a mebibyte is enough");
    }
    assert!(sent > 900, "{sent}");
    assert_eq!(link.client.send(&packet), Err(SendError::QueueFull));
    let stats = link.client.stats();
    assert_eq!((stats[Dropped::SendQueueFull], stats[Count::PacketsSent]), (2, sent));
    assert_eq!(link.client.take().len() as u64, sent);
    link.assert_data_flows();
}

#[test]
fn answers_that_nobody_transmits_are_kept_up_to_a_mebibyte() {
    // Each ClientHello of a stranger is answered by a cookie.
    let mut link = established();
    let mut hello = link.sent(ToServer)[0].to_vec();
    hello[records::HEADER + 12 + 2] ^= 1;
    for _ in 0..20_000 {
        link.server.session().handle_datagram(&hello, clock::now());
    }
    let answers = link.server.session().take();
    let waiting: usize = answers.iter().map(Vec::len).sum();
    assert!((500_000..=1024 * 1024).contains(&waiting), "{waiting} bytes");
    let stats = link.server.session().stats();
    assert!(stats[Dropped::SendQueueFull] > 0);
    assert_eq!(stats[Count::CookiesSent], answers.len() as u64);
    link.assert_data_flows();
}

#[test]
fn a_queue_of_tiny_packets_is_full_before_it_is_large() {
    let mut link = established();
    let mut count = 0;
    while !link.server.session().is_full() {
        link.client.send(&[7]).expect("connected");
        let datagrams = link.client.take();
        link.server.handle(&datagrams.concat());
        count += 1;
        assert!(count <= 20_000, "what a packet costs beside its bytes has to count");
    }
    assert_eq!(packets(link.server.session()).len(), count);
    assert!(!link.server.session().is_full());
    link.assert_data_flows();
}

#[test]
fn a_handshake_keeps_few_encrypted_records_for_later() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    // Until the server has the keys and the client does not.
    until_server_is_connected(&mut link);
    let last_flight = link.server.session().take();
    let early: Vec<Vec<u8>> =
        (0..40u8).map(|number| sealed(link.server.session(), &[number])).collect();
    for datagram in early.iter().chain(&last_flight) {
        link.client.handle_datagram(datagram, clock::now());
    }
    link.client.handle_datagram(&sealed(link.server.session(), b"after"), clock::now());
    assert_eq!(link.client.status(), Status::Connected);
    let received = packets(&mut link.client);
    let expected = (0..16u8).map(|number| vec![number]).chain([b"after".to_vec()]);
    assert_eq!(received, expected.collect::<Vec<_>>());
}

#[test]
fn one_datagram_may_hold_many_packets() {
    let mut link = established();
    for number in 0..100u8 {
        link.client.send(&[number; 3]).expect("connected");
    }
    let sent = link.client.take();
    assert_eq!(sent.len(), 100, "each packet is a datagram of its own");
    link.server.handle(&sent.concat());
    let received = packets(link.server.session());
    assert_eq!(received, (0..100u8).map(|it| vec![it; 3]).collect::<Vec<_>>());
    link.assert_data_flows();
}

#[test]
fn a_datagram_of_64_kib_is_handled() {
    let mut link = established();
    let packet = vec![7; 16_000];
    for _ in 0..4 {
        link.client.send(&packet).expect("connected");
    }
    let datagram = link.client.take().concat();
    assert!(datagram.len() > 64_000);
    link.server.handle(&datagram);
    // What does not fit OpenSSL's buffer may be lost, and nothing else may happen.
    assert_eq!(link.server.session().status(), Status::Connected);
    let received = packets(link.server.session());
    assert!(received.iter().all(|it| *it == packet));
    link.assert_data_flows();
}

#[test]
fn packets_survive_a_bad_link_and_come_at_most_once() {
    let mut link = established();
    let mut noise = records::Noise::new(5);
    let mut held = VecDeque::new();
    link.each(move |_: Direction, datagram| {
        match noise.below(4) {
            0 => return Vec::new(),
            1 => return vec![datagram.bytes.clone(); 2],
            2 => held.push_back(datagram.bytes.clone()),
            _ => return vec![datagram.bytes.clone()],
        }
        if held.len() > 5 { held.pop_front().into_iter().collect() } else { Vec::new() }
    });
    for number in 0..1000u32 {
        link.client.send(&number.to_be_bytes()).expect("connected");
        link.settle();
    }
    let mut received = packets(link.server.session());
    let count = received.len();
    received.sort();
    received.dedup();
    assert_eq!(received.len(), count, "none twice");
    assert!(count > 600, "{count}");
    link.assert_connected();
}

#[test]
fn a_peer_that_moves_gets_a_cookie_and_not_a_session() {
    // An established client whose datagrams come from a new port is a stranger there.
    let mut link = established();
    let datagram = sealed(&mut link.client, b"hello");
    let mut answers = dtls_core::Datagrams::new();
    let stranger = address("192.0.2.1:5555");
    let listener = &mut link.server.listener;
    let accepted = listener.handle_datagram(stranger, &datagram, &mut answers, clock::now());
    assert!(matches!(accepted, Ok(dtls_core::Accepted::NotAHello)), "{accepted:?}");
    assert!(answers.is_empty());
}
