//! A server and its clients over the loopback, with and without threads.

mod game;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Instant;

use dtls_core::{Count, MAX_PACKET, Reason, SendError, Status};
use dtls_net::{BindAddress, BindError, Server, ServerOptions, StartError, Threads};
use game::{Game, config, server};

/// Runs a test with each number of threads.
fn each(test: impl Fn(usize)) {
    (0..=Threads::MOST).for_each(test);
}

#[test]
fn players_connect_and_packets_go_both_ways() {
    each(|threads| {
        const PLAYERS: usize = 50;
        const PACKETS: usize = 20;
        let mut game = Game::begun(server(config(), threads, 100), PLAYERS);
        for number in 0..PACKETS {
            for (player, all) in game.players.iter_mut().enumerate() {
                all.send(format!("{player}: {number}").as_bytes());
            }
            game.frame();
        }
        game.until("all packets are there", |game| game.received.len() >= PLAYERS * PACKETS);
        let sender = game.server.sender();
        for player in 0..PLAYERS {
            let client = game.client(player);
            let of_player = game.received.iter().filter(|(from, _)| *from == client);
            let texts: Vec<_> =
                of_player.map(|(_, packet)| String::from_utf8_lossy(packet)).collect();
            let expected: Vec<_> =
                (0..PACKETS).map(|number| format!("{player}: {number}")).collect();
            assert_eq!(texts, expected, "each once, and in order on the loopback");
            for text in expected {
                sender.queue(client, text.as_bytes()).expect("there is room");
            }
        }
        sender.flush();
        game.until("all answers are there", |game| {
            game.players.iter().all(|player| player.received.len() >= PACKETS)
        });
        for (number, player) in game.players.iter().enumerate() {
            let expected: Vec<_> =
                (0..PACKETS).map(|packet| format!("{number}: {packet}").into_bytes()).collect();
            assert_eq!(player.received, expected);
        }
        let stats = game.server.stats();
        assert_eq!(stats[Count::Connections], PLAYERS as u64);
        assert_eq!(stats[Count::PacketsSent], (PLAYERS * PACKETS) as u64);
        assert_eq!(game.ended, []);
    });
}

#[test]
fn packets_that_were_not_read_stay_in_front() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 1), 1);
        let client = game.client(0);
        let mut read = Vec::new();
        for number in 0..30_u8 {
            game.players[0].send(&[number]);
            let start = Instant::now();
            while game.server.waiting() < usize::from(number) + 1 - read.len() {
                assert!(start.elapsed() < game::LONG, "{number} arrives");
                game.server.poll().expect("the server works");
            }
            if number % 3 == 2 {
                assert_eq!(game.server.next_client(), Some(client));
                read.push(game.server.receive().map(|(_, packet)| packet[0]).expect("one waits"));
            }
        }
        while let Some((_, packet)) = game.server.receive() {
            read.push(packet[0]);
        }
        assert_eq!(read, (0..30).collect::<Vec<u8>>());
    });
}

#[test]
fn both_sides_can_end_a_connection_and_are_told() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 4), 3);
        let (first, second, third) = (game.client(0), game.client(1), game.client(2));
        game.players[0].send(b"goodbye");
        game.players[0].session.close();
        let sender = game.server.sender();
        sender.send(second, b"farewell").expect("there is room");
        sender.disconnect(second);
        game.until("both have ended", |game| {
            game.ended.len() == 2 && game.players[1].session.status() == Status::Closed
        });
        game.ended.sort_by_key(|(client, _)| client.id);
        let mut expected = [
            (first, "the other side closed the connection".to_owned()),
            (second, "this side closed the connection".to_owned()),
        ];
        expected.sort_by_key(|(client, _)| client.id);
        assert_eq!(game.ended, expected);
        assert_eq!(game.received, [(first, b"goodbye".to_vec())]);
        assert_eq!(game.players[1].received, [b"farewell"]);
        sender.send(second, b"too late").expect("it is lost as one underway would be");
        sender.send(third, b"still here").expect("there is room");
        game.until("the third is still there", |game| game.players[2].received == [b"still here"]);
        assert_eq!(game.players[1].received.len(), 1);
        let Game { server, mut players, .. } = game;
        drop(server);
        let start = Instant::now();
        while players[2].session.status() != Status::Closed {
            assert!(start.elapsed() < game::LONG, "it is told that the server stops");
            players[2].poll();
        }
        sender.send(third, b"nobody listens").expect("it is lost");
    });
}

#[test]
fn a_player_that_starts_again_is_connected_at_once() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 1), 1);
        let before = game.client(0);
        let start = Instant::now();
        game.players[0].start_again();
        game.until("it is connected again", |game| {
            game.client(0) != before && game.players[0].is_connected()
        });
        println!("{threads} threads: {:?}", start.elapsed());
        assert_eq!(game.ended, [(before, "the client started again".to_owned())]);
        let retransmissions = game.players[0].session.stats()[Count::Retransmissions];
        assert_eq!(retransmissions, 0, "it did not have to ask twice");
        let client = game.client(0);
        game.server.sender().send(client, b"welcome back").expect("there is room");
        game.until("it hears the server", |game| game.players[0].received == [b"welcome back"]);
    });
}

#[test]
fn a_full_server_refuses_at_once() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 2), 2);
        let port = game.server.local_port();
        game.players.push(game::Player::new(port));
        game.until("it is refused", |game| game.players[2].session.status() == Status::Failed);
        let failure = game.players[2].session.failure().expect("it failed");
        assert_eq!(failure.reason(), Reason::PeerAlert, "{failure}");
        assert_eq!(game.server.stats()[Reason::ServerFull], 1);
        game.players[0].session.close();
        game.until("one has left", |game| game.ended.len() == 1);
        game.players.push(game::Player::new(port));
        game.until("there is room again", |game| game.players[3].is_connected());
    });
}

#[test]
fn what_cannot_be_sent_is_refused() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 1), 1);
        let (client, sender) = (game.client(0), game.server.sender());
        assert_eq!(sender.send(client, &[0; MAX_PACKET + 1]), Err(SendError::TooLarge));
        sender.send(client, &[]).expect("nothing is sent");
        let largest = vec![7; MAX_PACKET];
        sender.send(client, &largest).expect("there is room");
        game.until("the largest arrives", |game| game.players[0].received == [&largest[..]]);
        // Nobody looks at what is queued before it is flushed.
        let fit = (0..2000).take_while(|_| sender.queue(client, &[1; 1024]).is_ok()).count();
        if threads == 0 {
            assert_eq!(fit, 1024 * 1024 / (1024 + 64) + 1);
            assert_eq!(game.server.counters().send_queue_full, 1);
        }
        sender.flush();
        game.until("there is room again", |_| sender.queue(client, b"more").is_ok());
    });
}

#[test]
fn two_servers_cannot_have_one_port() {
    let first = server(config(), 2, 1);
    let (address, port) = (BindAddress::One(Ipv4Addr::LOCALHOST.into()), first.local_port());
    let options = ServerOptions { address, port, max_peers: 1, threads: Threads::new(2) };
    let second = Server::start(config(), options);
    let Err(StartError::Bind(BindError::PortInUse(taken))) = second else {
        panic!("{second:?}");
    };
    assert_eq!(taken, port);
    drop(first);
    drop(Server::start(config(), options).expect("the port is free as soon as the server is gone"));
}

#[test]
fn a_flood_of_strangers_costs_a_player_no_packet() {
    each(|threads| {
        let mut game = Game::begun(server(config(), threads, 10), 1);
        let (port, client) = (game.server.local_port(), game.client(0));
        let hello = {
            let mut session = game::begin();
            let mut hello = Vec::new();
            session.transmit(|datagram| hello = datagram.to_vec());
            hello
        };
        let strangers: Vec<_> = (0..16)
            .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
            .collect();
        let before = game.server.stats()[Count::CookiesSent];
        for number in 0..100_usize {
            // As many as every system's buffer holds, and the next when those are handled.
            for stranger in &strangers {
                for _ in 0..8 {
                    stranger.send_to(&hello, (Ipv4Addr::LOCALHOST, port)).expect("sent");
                }
            }
            game.players[0].send(&number.to_be_bytes());
            let answered = before + (number as u64 + 1) * 128;
            game.until("all are answered, and the player is heard", |game| {
                game.server.stats()[Count::CookiesSent] == answered
                    && game.received.len() == number + 1
            });
        }
        assert!(game.received.iter().all(|(from, _)| *from == client));
    });
}
