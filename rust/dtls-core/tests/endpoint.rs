//! Many clients at one endpoint: how they come to be connected, and the way of their packets. The handshakes run
//! inside the endpoint, or elsewhere.

mod support;

use std::time::Duration;

use dtls_core::{Count, Dropped, Status};
use netsim::Conditions;
use support::endpoint::{Happened, MODES, World, fresh, hello, local, other_local, path, peer};
use support::link::{End as _, sealed};
use support::{clock, pki, records};

/// Whether every player got one id, and the ids are 1 and up in the order in which they came.
fn assert_each_connected_once(world: &World, count: usize) {
    assert_eq!(world.happened.len(), count, "{:?}", world.happened);
    let mut peers = Vec::new();
    for (happened, expected) in world.happened.iter().zip(1..) {
        let Happened::Connected(id, peer) = happened else { panic!("{happened:?}") };
        assert_eq!(*id, expected);
        peers.push(*peer);
    }
    peers.sort();
    assert!(peers.iter().eq(world.players.keys()), "{peers:?}");
}

/// So many clients, of which so many begin in the same moment.
fn many_clients_are_connected(count: usize, at_once: usize) {
    for mode in MODES {
        let start = clock::elapsed();
        let mut world = World::new(mode, &pki::localhost(), count);
        let client = fresh();
        for first in (0..count).step_by(at_once) {
            (first..count.min(first + at_once))
                .for_each(|number| world.join(peer(number), &client));
            world.settle();
        }
        assert_each_connected_once(&world, count);
        assert_eq!(clock::elapsed(), start, "no timer ran out");
        assert_eq!(world.endpoint.connected(), count);
        world.assert_packets_pass();
        let stats = world.now_stats();
        let all = u64::try_from(count).expect("few");
        assert_eq!((stats[Count::Connections], stats[Count::HandshakesCompleted]), (all, all));
        assert_eq!((stats[Count::CookiesSent], stats[Count::Retransmissions]), (all, 0));
        assert_eq!((stats[Count::PacketsReceived], stats[Count::PacketsSent]), (3 * all, all));
        assert_eq!(Dropped::ALL.iter().map(|why| stats[*why]).sum::<u64>(), 0);
        assert_eq!(world.handshakes_elsewhere(), 0);
    }
}

#[test]
fn clients_that_come_at_once_are_connected_each_once_and_under_its_own_id() {
    many_clients_are_connected(60, 60);
}

#[test]
fn a_thousand_clients_are_connected_at_a_time() {
    // 256 handshakes may be underway.
    many_clients_are_connected(1000 / support::stride(), 256);
}

#[test]
fn an_id_is_not_used_again_and_a_slot_is() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 3, 3);
        let client = fresh();
        for round in 1..20 {
            let gone = peer(round % 3);
            let id = world.id(gone);
            world.disconnect(id);
            world.settle();
            world.join(gone, &client);
            world.settle();
            assert_eq!(world.id(gone), 3 + u32::try_from(round).expect("few"));
            world.send(id, b"for one who is gone");
            world.disconnect(id);
            world.assert_packets_pass();
        }
        assert_eq!(world.endpoint.connected(), 3);
    }
}

#[test]
fn over_a_bad_network_all_are_connected_and_no_packet_comes_twice() {
    let ms = Duration::from_millis;
    let conditions = Conditions {
        loss: 0.15,
        duplication: 0.2,
        reordering: 0.2,
        held_back: ms(300),
        delay: ms(30),
        jitter: ms(60),
        ..Conditions::PERFECT
    };
    const PLAYERS: usize = 12;
    const PACKETS: u32 = 20;
    for mode in MODES {
        for seed in (1..=12).step_by(support::stride()) {
            let mut world = World::new(mode, &pki::localhost(), PLAYERS);
            world.weather(conditions, seed);
            let client = fresh();
            (0..PLAYERS).for_each(|number| world.join(peer(number), &client));
            world.run_for(Duration::from_secs(40));
            assert_each_connected_once(&world, PLAYERS);
            for number in 0..PACKETS {
                for index in 0..PLAYERS {
                    let (peer, id) = (peer(index), world.id(peer(index)));
                    let packet = format!("{number} of {peer}").into_bytes();
                    world.player(peer).session.send(&packet).expect("connected");
                    world.send(id, &packet);
                }
                world.run_for(ms(10));
            }
            world.run_for(Duration::from_secs(10));
            for index in 0..PLAYERS {
                let (peer, id) = (peer(index), world.id(peer(index)));
                let known: Vec<_> =
                    (0..PACKETS).map(|it| format!("{it} of {peer}").into_bytes()).collect();
                let of_peer = world.received.iter().filter(|(of, _)| *of == id);
                let mut there: Vec<_> = of_peer.map(|(_, packet)| packet.clone()).collect();
                let mut back = world.player(peer).received.clone();
                for arrived in [&mut there, &mut back] {
                    assert!(arrived.len() > 8, "{} of {PACKETS}", arrived.len());
                    let all = arrived.len();
                    arrived.sort();
                    arrived.dedup();
                    assert_eq!(arrived.len(), all, "twice");
                    assert!(arrived.iter().all(|packet| known.contains(packet)));
                }
                assert_eq!(world.player(peer).session.status(), Status::Connected);
            }
            assert_eq!(world.now_stats()[Count::Connections], PLAYERS as u64);
            assert_eq!(world.happened.len(), PLAYERS, "nobody was lost: {:?}", world.happened);
        }
    }
}

#[test]
fn answers_leave_from_the_address_that_the_client_sends_to() {
    for mode in MODES {
        let mut world = World::new(mode, &pki::localhost(), 2);
        world.join(peer(0), &fresh());
        world.join(peer(1), &fresh());
        world.player(peer(0)).path.local = other_local();
        world.settle();
        world.assert_packets_pass();
        for local in [local(), other_local(), None, local()] {
            world.player(peer(0)).path.local = local;
            world.assert_packets_pass();
        }
    }
}

#[test]
fn a_handshake_is_answered_from_the_address_that_the_client_sends_to() {
    for mode in MODES {
        let mut world = World::new(mode, &pki::localhost(), 1);
        let (mut client, flight) = world.begun(peer(0));
        flight.iter().for_each(|datagram| client.handle(datagram));
        let last = client.take().concat();
        world.sent.clear();
        for datagram in records::split(&last) {
            let mut path = path(peer(0));
            path.local = other_local();
            world.arrive(path, datagram);
        }
        world.settle();
        assert!(!world.sent.is_empty());
        assert!(world.sent.iter().all(|(path, _)| path.local == other_local()));
        world.sent.clear();
        world.send(1, b"for the client");
        assert!(world.sent.iter().all(|(path, _)| path.local == other_local()));
    }
}

#[test]
fn a_stranger_does_not_choose_the_address_that_answers_leave_from() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 1, 1);
        let mut elsewhere = path(peer(0));
        elsewhere.local = other_local();
        let mut stranger = support::link::connect(&fresh());
        let hello = hello(&mut stranger);
        let forged = records::forge(records::APPLICATION_DATA, 1, 900, &[7; 60]);
        let own = sealed(&mut world.player(peer(0)).session, b"once");
        world.arrive(path(peer(0)), &own);
        for datagram in [&b""[..], b"noise", &hello, &forged, &own] {
            world.arrive(elsewhere, datagram);
            world.send(1, b"for the player");
            world.settle();
            assert_eq!(world.player(peer(0)).received, [b"for the player"]);
            world.player(peer(0)).received.clear();
            world.player(peer(0)).misdirected = 0;
        }
    }
}

#[test]
fn what_is_underway_to_the_handshakes_when_a_client_is_handed_over_is_not_lost() {
    for mode in MODES {
        let config = pki::verifying();
        let mut world = World::new(mode, &pki::localhost(), 1);
        world.join(peer(0), &config);
        world.settle();
        world.disconnect(1);
        world.settle();
        let dropped = |world: &World| {
            let stats = world.now_stats();
            Dropped::ALL.iter().map(|why| stats[*why]).sum::<u64>()
        };
        let before = dropped(&world);
        // One that resumes has the last word, and may go on at once: its packets are right behind.
        world.join(peer(0), &config);
        while world.player(peer(0)).session.status() != Status::Connected {
            assert!(world.round());
        }
        assert!(world.player(peer(0)).session.is_resumed());
        let mut said: Vec<Vec<u8>> =
            (0..40).map(|number| format!("{number}").into_bytes()).collect();
        for packet in &said {
            world.player(peer(0)).session.send(packet).expect("connected");
            world.round();
        }
        world.settle();
        // Those that were underway come behind others.
        said.sort();
        world.received.sort();
        assert!(world.received.iter().all(|(id, _)| *id == 2));
        assert!(world.received.iter().map(|(_, packet)| packet).eq(&said));
        world.assert_packets_pass();
        assert_eq!(dropped(&world), before);
    }
}

#[test]
fn who_is_handed_over_is_no_stranger_to_the_handshakes_until_that_is_confirmed() {
    for mode in &MODES[1..] {
        let mut world = World::new(*mode, &pki::localhost(), 1);
        let (mut client, flight) = world.begun(peer(0));
        flight.iter().for_each(|datagram| client.handle(datagram));
        world.holds_results = true;
        client.take().iter().for_each(|datagram| world.arrive(path(peer(0)), datagram));
        world.settle();
        assert_eq!(world.handshakes_elsewhere(), 0, "it is handed over");
        assert_eq!(world.happened, []);
        let cookies = world.now_stats()[Count::CookiesSent];
        let started = world.now_stats()[Count::HandshakesStarted];
        let mut again = support::link::connect(&fresh());
        let first = hello(&mut again);
        for _ in 0..3 {
            world.arrive(path(peer(0)), &first);
            world.settle();
        }
        let stats = world.now_stats();
        assert_eq!(stats[Count::CookiesSent], cookies, "it is not answered");
        assert_eq!(stats[Count::HandshakesStarted], started, "and begins nothing");
        world.holds_results = false;
        world.settle();
        assert_eq!(world.happened, [Happened::Connected(1, peer(0))]);
        assert_eq!(
            world.now_stats()[Count::CookiesSent],
            cookies + 3,
            "it is a client that may be starting again"
        );
    }
}
