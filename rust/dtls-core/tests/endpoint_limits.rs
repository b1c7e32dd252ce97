//! What an endpoint has room for: clients, unfinished handshakes, packets that nobody reads.

mod support;

use std::time::Duration;

use dtls_core::{Count, Dropped, Failure, Reason, ServerConfig, Session, Status};
use support::endpoint::{
    Happened, MODES, Mode, World, fresh, hello, hello_with_cookie, path, peer,
};
use support::link::{End as _, address, connect};
use support::pki::Rebuild as _;
use support::{clock, pki, records};

const ACCESS_DENIED: u8 = 49;
const USER_CANCELED: u8 = 90;
const KIB: usize = 1024;

fn with_room_for(handshakes: usize) -> ServerConfig {
    pki::localhost().rebuild(|it| it.with_max_pending_handshakes(handshakes)).expect("a limit")
}

#[test]
fn a_full_server_refuses_at_once_and_has_room_again_when_someone_goes() {
    for mode in MODES {
        let start = clock::elapsed();
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        for refused in 1..5 {
            world.join(peer(7), &fresh());
            world.settle();
            let player = world.players.remove(&peer(7)).expect("a player");
            assert_eq!(player.session.failure(), Some(&Failure::PeerAlert(ACCESS_DENIED)));
            assert_eq!(world.now_stats()[Reason::ServerFull], refused);
            assert_eq!(world.happened.len(), 2);
            world.assert_packets_pass();
        }
        assert_eq!(world.handshakes_elsewhere(), 0);
        world.disconnect(1);
        world.settle();
        world.players.remove(&peer(0));
        world.join(peer(7), &fresh());
        world.settle();
        assert_eq!(world.happened.last(), Some(&Happened::Connected(3, peer(7))));
        assert_eq!(clock::elapsed(), start, "no timer ran out");
        world.assert_packets_pass();
        world.join(peer(8), &fresh());
        world.settle();
        assert_eq!(world.now_stats()[Reason::ServerFull], 5, "it is full again");
    }
}

#[test]
fn of_those_who_come_for_the_last_place_one_gets_it() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 1);
        (1..5).for_each(|number| world.join(peer(number), &fresh()));
        world.settle();
        let stats = world.now_stats();
        assert_eq!(stats[Count::HandshakesStarted], 5, "all began while there was room");
        assert_eq!((stats[Count::Connections], stats[Reason::ServerFull]), (2, 3));
        let [.., Happened::Connected(2, admitted)] = world.happened[..] else {
            panic!("{:?}", world.happened);
        };
        assert_eq!((world.happened.len(), world.endpoint.connected()), (2, 2));
        for number in 1..5 {
            let peer = peer(number);
            let is_connected = world.player(peer).session.status() == Status::Connected;
            assert_eq!(is_connected, peer == admitted, "the others are told");
            if !is_connected {
                world.players.remove(&peer);
            }
        }
        world.assert_packets_pass();
    }
}

/// The alert in the last datagram that was sent to this address.
fn told(world: &World, peer: &str) -> Option<u8> {
    let mut sent = world.sent.iter().filter(|(to, _)| to.peer == address(peer));
    sent.next_back().and_then(|(_, datagram)| records::alert(datagram))
}

#[test]
fn the_oldest_handshake_of_the_largest_network_is_displaced_and_told_at_once() {
    for mode in MODES {
        let mut world = World::new(mode, &with_room_for(4), 9);
        let peers = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.2:2", "192.0.2.3:1"];
        let mut begun = peers.map(|peer| world.begun(address(peer)).0);
        assert_eq!(world.now_stats()[Reason::TooManyPending], 0);
        let start = clock::elapsed();
        let (mut newest, _) = world.begun(address("192.0.2.4:1"));
        assert_eq!(world.now_stats()[Reason::TooManyPending], 1);
        if mode == (Mode::Elsewhere { parts: 2 })
            && !world.share_a_part(address("192.0.2.2:1"), address("192.0.2.4:1"))
        {
            // The other part finds out when it would send something.
            world.run_for(Duration::from_millis(400));
        } else {
            assert_eq!(clock::elapsed(), start, "no timer ran out");
        }
        assert_eq!(told(&world, "192.0.2.2:1"), Some(USER_CANCELED));
        for peer in ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:1", "192.0.2.4:1"] {
            assert_eq!(told(&world, peer), None, "{peer}");
        }
        // The others get through.
        finish(&mut world, "192.0.2.4:1", &mut newest);
        for index in [0, 2, 3] {
            finish(&mut world, peers[index], &mut begun[index]);
        }
        assert_eq!(world.happened.len(), 4);
        assert_eq!(world.now_stats()[Reason::TooManyPending], 1);
    }
}

/// Lets a client that has begun be connected.
fn finish(world: &mut World, peer: &str, client: &mut Session) {
    let peer = address(peer);
    let flight = world.sent.iter().filter(|(to, _)| to.peer == peer);
    let mut arriving: Vec<Vec<u8>> = flight.map(|(_, datagram)| datagram.clone()).collect();
    if arriving.is_empty() {
        // It was sent before, and goes out again in time.
        world.run_for(Duration::from_secs(3));
        let flight = world.sent.iter().filter(|(to, _)| to.peer == peer);
        arriving = flight.map(|(_, datagram)| datagram.clone()).collect();
    }
    while !arriving.is_empty() {
        arriving.iter().for_each(|datagram| client.handle(datagram));
        arriving.clear();
        for datagram in client.take() {
            arriving.extend(world.ask(path(peer), &datagram));
        }
    }
    assert_eq!(client.status(), Status::Connected, "{peer}: {:?}", client.failure());
}

#[test]
fn no_more_handshakes_than_256_are_unfinished() {
    for mode in MODES.into_iter().step_by(support::stride()) {
        let mut world = World::new(mode, &pki::localhost(), 9);
        let hellos: Vec<_> = (0..300)
            .map(|number| {
                let mut client = connect(&fresh());
                let answer = world.ask(path(peer(number)), &hello(&mut client));
                hello_with_cookie(&mut client, &answer)
            })
            .collect();
        for (number, hello) in hellos.iter().enumerate() {
            world.ask(path(peer(number)), hello);
            let displaced = (number + 1).saturating_sub(256);
            assert_eq!(world.now_stats()[Reason::TooManyPending], displaced as u64);
            assert!(world.handshakes_elsewhere() <= 256 + displaced);
        }
        world.run_for(Duration::from_secs(2));
        if mode != Mode::Inside {
            assert_eq!(world.handshakes_elsewhere(), 256, "those displaced are gone");
        }
        world.run_for(Duration::from_secs(60));
        let stats = world.now_stats();
        assert_eq!((stats[Reason::TooManyPending], stats[Reason::Timeout]), (44, 256));
        assert_eq!((world.handshakes_elsewhere(), world.next_timeout()), (0, None));
        assert_eq!(world.happened, []);
    }
}

#[test]
fn what_nobody_reads_is_lost_by_the_client_that_sends_too_much_and_by_no_other() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        world.reads = false;
        let large = vec![7; 16 * KIB];
        for _ in 0..80 {
            world.player(peer(0)).session.send(&large).expect("connected");
            world.settle();
        }
        // 64 bytes more for each: a MiB is reached with the 64th.
        assert_eq!(world.unread.len(), 64);
        assert_eq!(world.now_stats()[Dropped::QueueFull], 16);
        for number in 0..100 {
            world.player(peer(1)).session.send(format!("{number}").as_bytes()).expect("connected");
            world.player(peer(0)).session.send(b"lost").expect("connected");
            world.settle();
        }
        assert_eq!((world.unread.len(), world.now_stats()[Dropped::QueueFull]), (164, 116));
        let others = world.unread.iter().filter(|(client, _)| client.id == 2);
        let expected = (0..100).map(|number| format!("{number}").into_bytes());
        assert!(others.map(|(_, packet)| packet.clone()).eq(expected), "each once, in order");
        // What is sent to the one who is flooding still goes.
        world.send(1, b"stop");
        world.settle();
        assert_eq!(world.player(peer(0)).received, [b"stop"]);
        // The owner reads two, and there is room for one and a part of another.
        world.read_one();
        world.read_one();
        for _ in 0..3 {
            world.player(peer(0)).session.send(&large).expect("connected");
            world.settle();
        }
        assert_eq!((world.unread.len(), world.now_stats()[Dropped::QueueFull]), (164, 117));
        while world.read_one() {}
        world.reads = true;
        world.assert_packets_pass();
        assert_eq!(world.now_stats()[Dropped::QueueFull], 117);
    }
}

#[test]
fn what_a_client_has_left_unread_is_counted_until_it_is_read() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 1);
        world.reads = false;
        let large = vec![7; 16 * KIB];
        for _ in 0..64 {
            world.player(peer(0)).session.send(&large).expect("connected");
        }
        world.settle();
        world.disconnect(1);
        world.settle();
        assert_eq!(world.unread.len(), 64, "what came before its end stays");
        while world.read_one() {}
        world.reads = true;
        // Nothing is left in the slot, which is used again.
        world.join(peer(0), &fresh());
        world.settle();
        world.reads = false;
        for _ in 0..64 {
            world.player(peer(0)).session.send(&large).expect("connected");
        }
        world.settle();
        assert_eq!((world.unread.len(), world.now_stats()[Dropped::QueueFull]), (64, 0));
    }
}
