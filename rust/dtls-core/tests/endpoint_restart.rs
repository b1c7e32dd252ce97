//! Clients of an endpoint that start again from the same address, and strangers who only seem to.

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use dtls_core::{ClientVerification, Count, Ending, Reason, Session, Status};
use netsim::Conditions;
use support::endpoint::{Happened, MODES, World, fresh, hello, hello_with_cookie, path, peer};
use support::link::{End as _, address, connect, sealed};
use support::pki::Rebuild as _;
use support::{clock, pki, records};
use test_pki::Authority;

/// Puts a new client in the place of that of a player, who has crashed. Returns the one that is gone.
fn crash(world: &mut World, number: usize) -> Session {
    let player = world.player(peer(number));
    std::mem::replace(&mut player.session, connect(&fresh()))
}

/// What a client comes to that was connected under `old`, has started again, and is connected under `new`.
fn restarted(number: usize, old: u32, new: u32) -> [Happened; 2] {
    [Happened::Disconnected(old, Ending::Restarted.into()), Happened::Connected(new, peer(number))]
}

#[test]
fn a_client_that_starts_again_is_connected_at_once() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 3, 3);
        let start = clock::elapsed();
        for new in 4..8 {
            let old = world.id(peer(1));
            world.happened.clear();
            crash(&mut world, 1);
            world.settle();
            assert_eq!(world.happened, restarted(1, old, new));
            assert_eq!(clock::elapsed(), start, "no timer ran out");
            assert_eq!(world.endpoint.connected(), 3);
            assert_eq!(world.sessions[&old].lock().ending(), Some(Ending::Restarted));
            world
                .happened
                .extend([0, 2].map(|it| {
                    Happened::Connected(u32::try_from(it).expect("small") + 1, peer(it))
                }));
            world.assert_packets_pass();
            world.send(old, b"for one who is gone");
            world.disconnect(old);
        }
        let stats = world.now_stats();
        assert_eq!((stats[Count::HandshakesCompleted], stats[Count::Connections]), (7, 3));
        assert_eq!(stats[Count::Retransmissions], 0);
        world.happened.clear();
        world.run_for(Duration::from_secs(90));
        assert_eq!(world.next_timeout(), None, "nothing is left to be done");
        assert_eq!(world.happened, []);
    }
}

#[test]
fn the_connection_before_carries_packets_until_the_new_one_is_there() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 1, 1);
        let mut old = crash(&mut world, 0);
        let mut said = Vec::new();
        while world.happened.len() == 1 {
            let packet = format!("{}", said.len()).into_bytes();
            let datagram = sealed(&mut old, &packet);
            world.arrive(path(peer(0)), &datagram);
            said.push((1, packet));
            assert_eq!(world.received, said);
            world.send(1, b"for the one before");
            assert!(world.round());
        }
        assert!(said.len() > 2, "{}", said.len());
        assert_eq!(world.happened[1..], restarted(0, 1, 2));
        let late = sealed(&mut old, b"too late");
        world.arrive(path(peer(0)), &late);
        world.settle();
        assert_eq!(world.received, said);
        world.assert_packets_pass();
    }
}

#[test]
fn a_client_that_starts_again_needs_no_room_beside_its_own() {
    for mode in MODES {
        let one = pki::localhost()
            .rebuild(|it| it.with_max_peers_per_prefix(Some(NonZeroUsize::MIN)))
            .expect("usable");
        for (config, places) in [(pki::localhost(), 1), (one.clone(), 1), (one, 7)] {
            let start = clock::elapsed();
            let mut world = World::connected(mode, &config, places, 1);
            for new in 2..5 {
                world.happened.clear();
                crash(&mut world, 0);
                world.settle();
                assert_eq!(world.happened, restarted(0, new - 1, new));
                assert_eq!(clock::elapsed(), start);
                world.assert_packets_pass();
            }
            // It counts once, and is not forgotten.
            if places == 1 {
                world.join(peer(1), &fresh());
                world.settle();
                assert_eq!(world.now_stats()[Reason::ServerFull], 1);
                assert_eq!(world.players.remove(&peer(1)).map(|it| it.session.status()), {
                    Some(Status::Failed)
                });
            }
            world.disconnect(4);
            world.settle();
            world.join(peer(0), &fresh());
            world.settle();
            assert_eq!(world.id(peer(0)), 5);
        }
    }
}

#[test]
fn over_a_bad_network_clients_that_start_again_are_connected_once_more() {
    const PLAYERS: usize = 6;
    let ms = Duration::from_millis;
    let conditions = Conditions {
        loss: 0.15,
        duplication: 0.1,
        reordering: 0.1,
        held_back: ms(200),
        delay: ms(30),
        jitter: ms(20),
        ..Conditions::PERFECT
    };
    for mode in MODES {
        for seed in (1..=12).step_by(support::stride()) {
            // Each has the place that it had.
            let mut world = World::new(mode, &pki::localhost(), PLAYERS);
            world.weather(conditions, seed);
            let client = fresh();
            (0..PLAYERS).for_each(|number| world.join(peer(number), &client));
            world.run_for(Duration::from_secs(40));
            for _ in 0..2 {
                world.happened.clear();
                (0..PLAYERS).for_each(|number| drop(crash(&mut world, number)));
                world.run_for(Duration::from_secs(40));
                for number in 0..PLAYERS {
                    let player = world.player(peer(number));
                    assert_eq!(player.session.status(), Status::Connected);
                }
                // The end of the one before stands right in front of the new one, each time.
                assert_eq!(world.happened.len(), 2 * PLAYERS, "{:?}", world.happened);
                for pair in world.happened.chunks(2) {
                    let [Happened::Disconnected(old, ended), Happened::Connected(new, _)] = pair
                    else {
                        panic!("{pair:?}");
                    };
                    assert_eq!(*ended, Ending::Restarted.into());
                    assert!(old < new);
                }
                assert_eq!(world.endpoint.connected(), PLAYERS);
                assert_eq!(world.now_stats()[Count::Connections], PLAYERS as u64);
                for number in 0..PLAYERS {
                    let (peer, id) = (peer(number), world.id(peer(number)));
                    world.received.clear();
                    world.player(peer).received.clear();
                    for _ in 0..20 {
                        world.player(peer).session.send(b"to the server").expect("connected");
                        world.send(id, b"to the player");
                    }
                    world.run_for(ms(500));
                    assert!(world.received.iter().all(|(of, _)| *of == id));
                    assert!(world.received.len() > 5 && world.player(peer).received.len() > 5);
                }
            }
        }
    }
}

#[test]
fn hellos_without_a_cookie_from_the_address_of_a_player_cost_the_player_nothing() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        let hellos: Vec<Vec<u8>> = (0..8).map(|_| hello(&mut connect(&fresh()))).collect();
        for round in 0..600 / support::stride() {
            for number in 0..3 {
                world.arrive(path(peer(0)), &hellos[(round + number) % 8]);
            }
            if round % 10 == 0 {
                world.assert_packets_pass();
            }
            // In all that time, a handshake that was begun would be over.
            clock::advance(Duration::from_millis(200));
            world.run_for(Duration::ZERO);
        }
        world.assert_packets_pass();
        assert_eq!(world.happened.len(), 2);
        let stats = world.now_stats();
        assert_eq!(stats[Count::HandshakesStarted], 2);
        assert_eq!(stats[Count::CookiesSent], 2 + 3 * (600 / support::stride()) as u64);
        assert_eq!(world.next_timeout(), None);
    }
}

#[test]
fn a_handshake_that_is_begun_in_the_name_of_a_player_and_not_finished_ends_nothing() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        let mut rounds = 0;
        for round in 0..80 / support::stride() {
            // Who overhears what the server sends can get so far, and then say what comes next and is wrong.
            let (_, flight) = world.begun(peer(0));
            assert!(flight.iter().any(|it| records::message(it) == Some(records::SERVER_HELLO)));
            world.assert_packets_pass();
            for kind in [records::CLIENT_KEY_EXCHANGE, records::FINISHED] {
                if round % 2 == 1 {
                    let forged = records::handshake(20, kind, 2, &[7; 33]);
                    world.arrive(path(peer(0)), &forged);
                    world.arrive(
                        path(peer(0)),
                        &records::forge(records::CHANGE_CIPHER_SPEC, 0, 21, &[1]),
                    );
                    world
                        .arrive(path(peer(0)), &records::forge(records::HANDSHAKE, 1, 0, &[7; 40]));
                }
            }
            world.assert_packets_pass();
            // Its end comes by itself.
            if round % 4 == 3 {
                world.run_for(Duration::from_secs(40));
                assert_eq!(world.next_timeout(), None);
                assert_eq!(world.handshakes_elsewhere(), 0);
            }
            world.run_for(Duration::from_millis(100));
            rounds += 1;
        }
        world.assert_packets_pass();
        assert_eq!(world.happened.len(), 2, "{:?}", world.happened);
        let stats = world.now_stats();
        assert!(
            stats[Count::HandshakesStarted] >= 2 + rounds,
            "{}",
            stats[Count::HandshakesStarted]
        );
        assert_eq!((stats[Count::HandshakesCompleted], stats[Count::Connections]), (2, 2));
    }
}

#[test]
fn a_client_that_starts_again_and_is_displaced_at_the_last_moment_leaves_its_connection_alive() {
    let config = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(1)).expect("usable");
    // Inside the endpoint there is no such moment.
    for mode in &MODES[1..] {
        let mut world = World::connected(*mode, &config, 2, 1);
        let own = world.players.remove(&peer(0)).expect("a player");
        let mut other = connect(&fresh());
        let answer = world.ask(path(peer(1)), &hello(&mut other));
        let other_hello = hello_with_cookie(&mut other, &answer);
        let (mut client, flight) = world.begun(peer(0));
        flight.iter().for_each(|datagram| client.handle(datagram));
        world.holds_results = true;
        client.take().iter().for_each(|datagram| world.arrive(path(peer(0)), datagram));
        world.settle();
        assert_eq!(world.handshakes_elsewhere(), 0, "it has come to its end");
        assert_eq!(world.transmits_held(), 0, "its last flight stays with it");
        // There is room for one handshake, and this one is not taken over yet.
        world.arrive(path(peer(1)), &other_hello);
        world.settle();
        world.holds_results = false;
        world.sent.clear();
        world.settle();
        assert_eq!(world.happened.len(), 1, "{:?}", world.happened);
        assert_eq!(world.sessions[&1].lock().status(), Status::Connected);
        assert_eq!(world.now_stats()[Reason::TooManyPending], 1);
        let told = world.sent.iter().filter(|(to, _)| to.peer == peer(0));
        told.for_each(|(_, datagram)| client.handle(datagram));
        assert_eq!(
            (client.failure(), client.ending()),
            (None, Some(Ending::ClosedByPeer)),
            "{client:?}"
        );
        world.players.insert(peer(0), own);
        world.assert_packets_pass();
        let flight = world.sent.iter().filter(|(to, _)| to.peer == peer(1));
        flight.for_each(|(_, datagram)| other.handle(datagram));
        other.take().iter().for_each(|datagram| world.arrive(path(peer(1)), datagram));
        world.settle();
        assert_eq!(world.happened[1..], [Happened::Connected(2, peer(1))]);
    }
}

#[test]
fn a_client_that_is_not_let_in_any_more_at_the_last_moment_leaves_its_connection_alive() {
    let authority = Authority::root("Players");
    let required = ClientVerification::Required(pki::trust(&authority.cert_pem()));
    let anew = pki::localhost().rebuild(|it| it.with_verification(required)).expect("usable");
    for mode in &MODES[1..] {
        let mut world = World::connected(*mode, &pki::localhost(), 1, 1);
        let own = world.players.remove(&peer(0)).expect("a player");
        let (mut client, flight) = world.begun(peer(0));
        flight.iter().for_each(|datagram| client.handle(datagram));
        world.holds_results = true;
        client.take().iter().for_each(|datagram| world.arrive(path(peer(0)), datagram));
        world.settle();
        assert_eq!(world.handshakes_elsewhere(), 0, "it has come to its end");
        world.set_config(&anew);
        world.holds_results = false;
        world.settle();
        assert_eq!(world.happened.len(), 1, "{:?}", world.happened);
        assert_eq!(world.sessions[&1].lock().status(), Status::Connected);
        assert_eq!(world.now_stats()[Reason::NotAdmitted], 1);
        world.players.insert(peer(0), own);
        world.assert_packets_pass();
    }
}

#[test]
fn a_client_whose_connection_ends_while_it_starts_again_is_connected_at_once() {
    for mode in MODES {
        // In each round of the new handshake.
        for rounds in 0..20 {
            let start = clock::elapsed();
            let mut world = World::connected(mode, &pki::localhost(), 1, 1);
            crash(&mut world, 0);
            for _ in 0..rounds {
                world.round();
            }
            world.disconnect(1);
            world.settle();
            assert_eq!(world.id(peer(0)), 2);
            assert_eq!(world.happened.len(), 3, "{:?}", world.happened);
            assert!(matches!(world.happened[1], Happened::Disconnected(1, _)));
            assert_eq!(clock::elapsed(), start);
            world.assert_packets_pass();
            assert_eq!(world.endpoint.connected(), 1);
        }
    }
}

#[test]
fn the_handshakes_get_the_datagrams_of_a_player_only_while_it_may_be_starting_again() {
    for mode in &MODES[1..] {
        let mut world = World::connected(*mode, &pki::localhost(), 1, 1);
        world.assert_packets_pass();
        assert_eq!(world.of_connected, 0);
        let first = hello(&mut connect(&fresh()));
        world.arrive(path(peer(0)), &first);
        world.assert_packets_pass();
        assert_eq!(world.of_connected, 1 + 3);
        let handshake = Duration::from_secs(30);
        world.run_for(handshake - Duration::from_nanos(1));
        world.assert_packets_pass();
        assert_eq!(world.of_connected, 1 + 6);
        world.run_for(Duration::from_nanos(1));
        world.assert_packets_pass();
        assert_eq!(world.of_connected, 1 + 6);
    }
}

#[test]
fn the_hellos_of_an_earlier_connection_begin_nothing() {
    for mode in MODES {
        let mut world = World::new(mode, &pki::localhost(), 2);
        let mut client = connect(&fresh());
        let first = hello(&mut client);
        let answer = world.ask(path(peer(0)), &first);
        let second = hello_with_cookie(&mut client, &answer);
        clock::advance(Duration::from_secs(1));
        world.join(peer(0), &fresh());
        world.settle();
        clock::advance(Duration::from_secs(1));
        for _ in 0..3 {
            for hello in [&first, &second] {
                let answers = world.ask(path(peer(0)), hello);
                assert_eq!(answers.len(), 1);
                assert_eq!(records::message(&answers[0]), Some(records::HELLO_VERIFY_REQUEST));
            }
        }
        assert_eq!(world.now_stats()[Count::HandshakesStarted], 1);
        assert_eq!(world.happened.len(), 1);
        world.assert_packets_pass();
    }
}

#[test]
fn a_client_that_starts_again_keeps_its_place_when_there_is_room_for_fewer_by_now() {
    let with_peers = |count| {
        pki::localhost()
            .rebuild(|it| it.with_max_peers_per_prefix(NonZeroUsize::new(count)))
            .expect("usable")
    };
    for mode in MODES {
        let mut world = World::new(mode, &with_peers(2), 3);
        let peers = ["192.0.2.1:1", "192.0.2.1:2"].map(address);
        for peer in peers {
            world.join(peer, &fresh());
            world.settle();
        }
        world.set_config(&with_peers(1));
        world.join(peers[0], &fresh());
        world.settle();
        assert_eq!(world.happened.len(), 4, "{:?}", world.happened);
        assert_eq!(world.happened[3], Happened::Connected(3, peers[0]));
        world.assert_packets_pass();
        world.join(address("192.0.2.1:3"), &fresh());
        world.settle();
        assert_eq!(world.now_stats()[Reason::TooManyPeers], 1);
    }
}
