//! How the connections of an endpoint end, what changes with its configuration, and what is counted.

mod support;

use std::time::Duration;

use dtls_core::{
    ClientVerification, Count, Dropped, Ending, Failure, Limits, Reason, ServerConfig, Session,
    Status,
};
use support::endpoint::{Happened, MODES, World, fresh, hello, hello_with_cookie, path, peer};
use support::link::{End as _, connect};
use support::pki::Rebuild as _;
use support::{clock, pki};
use test_pki::{Authority, Profile, Usage};

const IDLE: Duration = Duration::from_secs(5);

fn with_idle_timeout() -> ServerConfig {
    let limits = Limits::default().with_idle_timeout(Some(IDLE)).expect("a time");
    pki::localhost().rebuild(|it| it.with_limits(limits)).expect("usable")
}

fn idle() -> Happened {
    Happened::Disconnected(1, Ending::Idle(IDLE).into())
}

#[test]
fn a_silent_client_is_given_up_when_its_time_is_over_and_told() {
    for mode in MODES {
        let mut world = World::connected(mode, &with_idle_timeout(), 2, 1);
        assert!(world.endpoint.next_timeout().is_some_and(|it| it <= clock::now() + IDLE));
        world.run_for(Duration::from_secs(3));
        world.player(peer(0)).session.send(b"here").expect("connected");
        world.settle();
        let end = clock::now() + IDLE;
        // What this side says, and what strangers say, is no sign of life.
        world.run_for(Duration::from_secs(1));
        world.send(1, b"anyone?");
        world.arrive(path(peer(0)), b"noise");
        world.arrive(path(peer(0)), &hello(&mut connect(&fresh())));
        world.run_for(IDLE - Duration::from_secs(1) - Duration::from_nanos(1));
        assert_eq!(world.happened.len(), 1, "not earlier");
        assert_eq!(world.endpoint.next_timeout(), Some(end));
        assert_eq!(world.now_stats()[Count::Connections], 1);
        world.run_for(Duration::from_nanos(1));
        assert_eq!(world.happened[1..], [idle()]);
        assert_eq!(world.when[1], end);
        assert_eq!(world.now_stats()[Count::Connections], 0);
        assert_eq!(world.player(peer(0)).session.ending(), Some(Ending::ClosedByPeer));
        assert_eq!((world.endpoint.connected(), world.endpoint.next_timeout()), (0, None));
    }
}

#[test]
fn of_many_silent_clients_each_is_given_up_in_its_own_time() {
    const PLAYERS: usize = 20;
    for mode in MODES {
        let mut world = World::new(mode, &with_idle_timeout(), PLAYERS);
        let client = fresh();
        let mut heard = Vec::new();
        for number in 0..PLAYERS {
            world.join(peer(number), &client);
            world.settle();
            heard.push(clock::now());
            world.run_for(Duration::from_millis(100));
        }
        // Some say something more, in another order.
        for step in 0..60 {
            let number = step * 7 % PLAYERS;
            if !number.is_multiple_of(3)
                && world.player(peer(number)).session.status() == Status::Connected
            {
                world.player(peer(number)).session.send(b"here").expect("connected");
                world.settle();
                heard[number] = clock::now();
            }
            world.run_for(Duration::from_millis(130));
        }
        world.run_for(3 * IDLE);
        let mut ended = 0;
        for (happened, when) in world.happened.iter().zip(&world.when) {
            if let Happened::Disconnected(id, why) = happened {
                assert_eq!(*why, Ending::Idle(IDLE).into());
                assert_eq!(*when, heard[*id as usize - 1] + IDLE, "{id}");
                ended += 1;
            }
        }
        assert_eq!((ended, world.endpoint.connected()), (PLAYERS, 0));
        assert_eq!(world.next_timeout(), None);
    }
}

#[test]
fn who_is_disconnected_is_told() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 3, 3);
        world.player(peer(1)).session.send(b"last words").expect("connected");
        world.round();
        assert_eq!(world.received, [(2, b"last words".to_vec())]);
        world.disconnect(2);
        world.disconnect(2);
        world.settle();
        let closed = |id| Happened::Disconnected(id, Ending::Closed.into());
        assert_eq!(world.happened[3..], [closed(2)]);
        let gone = world.players.remove(&peer(1)).expect("a player");
        assert_eq!(gone.session.ending(), Some(Ending::ClosedByPeer));
        assert_eq!((world.endpoint.connected(), world.now_stats()[Count::Connections]), (2, 2));
        world.assert_packets_pass();
        world.disconnect_all();
        world.settle();
        assert_eq!(world.happened[4..], [closed(1), closed(3)]);
        for player in world.players.values() {
            assert_eq!(player.session.ending(), Some(Ending::ClosedByPeer));
        }
        assert_eq!((world.endpoint.connected(), world.now_stats()[Count::Connections]), (0, 0));
        world.disconnect_all();
        world.send(1, b"for one who is gone");
        assert_eq!(world.happened.len(), 6);
    }
}

#[test]
fn without_its_socket_nobody_is_told() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        world.sent.clear();
        world.transport_closed();
        let ended = |id| Happened::Disconnected(id, Failure::TransportClosed.into());
        assert_eq!(world.happened[2..], [ended(1), ended(2)]);
        assert_eq!((world.endpoint.connected(), world.sent.len()), (0, 0));
        assert_eq!(world.now_stats()[Count::Connections], 0);
    }
}

#[test]
fn who_closes_is_heard_to_the_end() {
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        let player = world.player(peer(0));
        let mut said = Vec::new();
        for number in 0..10 {
            player.session.send(format!("{number}").as_bytes()).expect("connected");
            said.push((1, format!("{number}").into_bytes()));
        }
        player.session.close();
        // All of it in one datagram.
        let datagram = player.session.take().concat();
        world.reads = false;
        world.arrive(path(peer(0)), &datagram);
        assert_eq!(world.happened[2..], [Happened::Disconnected(1, Ending::ClosedByPeer.into())]);
        assert_eq!(world.unread.len(), 10);
        while world.read_one() {}
        world.reads = true;
        assert_eq!(world.received, said);
        world.players.remove(&peer(0));
        world.settle();
        world.assert_packets_pass();
        assert_eq!(world.now_stats()[Count::Connections], 1);
    }
}

/// A server that lets in only whom these have signed.
fn only_for(players: &Authority) -> ServerConfig {
    let required = ClientVerification::Required(pki::trust(&players.cert_pem()));
    pki::localhost().rebuild(|it| it.with_verification(required)).expect("a usable configuration")
}

/// Lets a client that has begun go on to its end, whatever that is.
fn go_on(world: &mut World, client: &mut Session, flight: &[Vec<u8>]) {
    flight.iter().for_each(|datagram| client.handle(datagram));
    loop {
        let sent = client.take();
        if sent.is_empty() {
            return;
        }
        for datagram in sent {
            let answers = world.ask(path(peer(9)), &datagram);
            answers.iter().for_each(|datagram| client.handle(datagram));
        }
    }
}

#[test]
fn a_new_configuration_is_for_those_to_come_and_for_handshakes_that_are_underway() {
    let authority = Authority::root("Players");
    let issued = authority.issue(Profile::new("player-17").usage(Usage::Client));
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 9, 2);
        let (mut underway, flight) = world.begun(peer(9));
        world.set_config(&only_for(&authority));
        // The connections go on.
        world.assert_packets_pass();
        // The handshake is refused, since it was not asked for a certificate.
        go_on(&mut world, &mut underway, &flight);
        assert_ne!(underway.status(), Status::Connected);
        assert_eq!(world.now_stats()[Reason::NotAdmitted], 1);
        assert_eq!(world.happened.len(), 2);
        // So is who comes without one, and who has one is not.
        world.join(peer(2), &fresh());
        world.settle();
        let refused = world.players.remove(&peer(2)).expect("a player").session;
        assert!(matches!(refused.failure(), Some(Failure::PeerAlert(_))), "{refused:?}");
        assert_eq!(world.now_stats()[Reason::ClientCertificateRequired], 1);
        world.join(peer(3), &pki::showing(&issued));
        world.settle();
        assert_eq!(world.happened[2..], [Happened::Connected(3, peer(3))]);
        let name = world.sessions[&3].lock().peer_common_name();
        assert_eq!(name.as_deref(), Some("player-17"));
        world.assert_packets_pass();
        // A player who starts again is one to come.
        world.player(peer(0)).session = connect(&pki::showing(&issued));
        world.settle();
        assert_eq!(
            world.happened[3..],
            [Happened::Disconnected(1, Ending::Restarted.into()), Happened::Connected(4, peer(0)),]
        );
        world.player(peer(1)).session = connect(&fresh());
        world.settle();
        assert_eq!(world.happened.len(), 5, "one who is refused ends nothing");
    }
}

#[test]
fn a_handshake_that_is_underway_goes_on_with_a_configuration_that_demands_the_same() {
    for mode in MODES {
        let mut world = World::new(mode, &pki::localhost(), 9);
        let mut late = connect(&fresh());
        let answer = world.ask(path(peer(8)), &hello(&mut late));
        let (mut underway, flight) = world.begun(peer(9));
        world.set_config(&with_idle_timeout());
        go_on(&mut world, &mut underway, &flight);
        assert_eq!(underway.status(), Status::Connected);
        // A cookie from before counts.
        let hello = hello_with_cookie(&mut late, &answer);
        let answers = world.ask(path(peer(8)), &hello);
        assert!(!answers.is_empty());
        assert_eq!(world.now_stats()[Count::CookiesSent], 2);
        // Limits are those that a handshake began with.
        assert_eq!(world.endpoint.next_timeout().is_some(), world.parts() == 0);
        world.join(peer(1), &fresh());
        world.settle();
        world.run_for(2 * IDLE);
        let ended = world.happened.iter().filter(|it| matches!(it, Happened::Disconnected(..)));
        assert_eq!(
            ended.collect::<Vec<_>>(),
            [&Happened::Disconnected(2, Ending::Idle(IDLE).into())]
        );
    }
}

#[test]
fn what_was_counted_stays_when_a_connection_is_gone() {
    for mode in MODES {
        let mut world = World::new(mode, &pki::localhost(), 4);
        let client = fresh();
        for connections in 1..=4 {
            world.join(peer(connections), &client);
            world.settle();
            assert_eq!(world.now_stats()[Count::Connections], connections as u64);
        }
        world.assert_packets_pass();
        let before = world.now_stats();
        for left in (0..4_u64).rev() {
            world.disconnect(u32::try_from(left).expect("few") + 1);
            world.sessions.clear();
            assert_eq!(world.now_stats()[Count::Connections], left);
        }
        let after = world.now_stats();
        assert_eq!(after[Count::DatagramsSent], before[Count::DatagramsSent] + 4, "each is told");
        for count in [
            Count::DatagramsReceived,
            Count::BytesReceived,
            Count::PacketsReceived,
            Count::PacketsSent,
            Count::CookiesSent,
            Count::HandshakesStarted,
            Count::HandshakesCompleted,
        ] {
            assert_eq!(after[count], before[count], "{}", count.name());
        }
        assert_eq!((after[Count::PacketsReceived], after[Count::PacketsSent]), (12, 4));
    }
}

/// The datagrams and the bytes that went each way.
#[derive(Default)]
struct Tally {
    to_server: (u64, u64),
    to_client: (u64, u64),
}

impl Tally {
    /// Lets a datagram arrive, and looks at what is counted.
    fn say(&mut self, world: &mut World, datagram: &[u8]) -> Vec<Vec<u8>> {
        let answers = world.ask(path(peer(0)), datagram);
        let add = |sum: &mut (u64, u64), datagram: &[u8]| {
            *sum = (sum.0 + 1, sum.1 + datagram.len() as u64);
        };
        add(&mut self.to_server, datagram);
        answers.iter().for_each(|answer| add(&mut self.to_client, answer));
        let stats = world.now_stats();
        let received = (stats[Count::DatagramsReceived], stats[Count::BytesReceived]);
        let sent = (stats[Count::DatagramsSent], stats[Count::BytesSent]);
        assert_eq!((received, sent), (self.to_server, self.to_client));
        answers
    }

    /// Lets a client say everything that it has to say.
    fn talk(&mut self, world: &mut World, client: &mut Session) {
        loop {
            let sent = client.take();
            if sent.is_empty() {
                return;
            }
            for datagram in sent {
                let answers = self.say(world, &datagram);
                answers.iter().for_each(|answer| client.handle(answer));
            }
        }
    }
}

#[test]
fn every_datagram_and_every_byte_is_counted_once() {
    for mode in MODES {
        let (mut world, mut tally) = (World::new(mode, &pki::localhost(), 3), Tally::default());
        // One that starts again, twice.
        for _ in 0..3 {
            let mut client = connect(&fresh());
            tally.talk(&mut world, &mut client);
            assert_eq!(client.status(), Status::Connected);
            client.send(b"a packet").expect("connected");
            tally.talk(&mut world, &mut client);
            // Also while it may be starting again.
            tally.say(&mut world, &hello(&mut connect(&fresh())));
            client.send(b"a packet").expect("connected");
            tally.talk(&mut world, &mut client);
            tally.say(&mut world, b"noise");
        }
        let stats = world.now_stats();
        assert_eq!((stats[Count::PacketsReceived], stats[Dropped::Malformed]), (6, 3));
    }
}
