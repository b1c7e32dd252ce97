//! As many players as a server has by default, each with a socket of its own, in one process with the server. `cargo xtask
//! test --soak` lets them play for a minute.

mod game;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dtls_core::Count;
use game::{Game, config, server};

const RATE: f64 = 10.0;
/// Packets underway at a time, both ways together: as many as the least buffer that the server works with holds.
const UNDERWAY: usize = 4 << 20 >> 11;

#[test]
fn a_crowd_loses_nothing() {
    let soak = std::env::var_os("DTLS_SOAK").is_some();
    // Under valgrind everything takes fifty times as long.
    let few = std::env::var_os("DTLS_SEED").is_some();
    let (players, time) = if soak { (4000, 60.0) } else { (if few { 50 } else { 500 }, 2.0) };
    #[cfg(unix)]
    if rlimit::increase_nofile_limit(8192).unwrap_or(0) < 5000 && players > 500 {
        panic!("the system lets this program have too few sockets; raise `ulimit -n` to 5000");
    }
    let mut game = Game::new(server(config(), 2, 4095), 0);
    let port = game.server.local_port();
    while game.players.len() < players {
        for _ in 0..50.min(players - game.players.len()) {
            game.players.push(game::Player::new(port));
        }
        let before = game.players.len() - 50;
        let start = Instant::now();
        while game.players[before..].iter().any(|player| !player.is_connected()) {
            assert!(start.elapsed() < game::LONG, "all are connected");
            game.players[before..].iter_mut().for_each(game::Player::poll);
            game.frame_of_server();
        }
    }
    let start = Instant::now();
    while game.clients.len() < players {
        assert!(start.elapsed() < game::LONG, "the server has them all");
        game.frame_of_server();
    }

    // Each says what it is and a number, at its own time within each tenth of a second, and is answered the same.
    let rounds = (time * RATE) as usize;
    let total = rounds * players;
    let sender = game.server.sender();
    let (mut said, mut answered) = (0, 0);
    let mut heard: HashMap<u32, usize> = HashMap::new();
    let start = Instant::now();
    let patience = Duration::from_secs_f64(time * 10.0) + game::LONG;
    while answered < total {
        assert!(start.elapsed() < patience, "{answered} of {said} came back, of {total}");
        let due = (start.elapsed().as_secs_f64() * RATE * players as f64) as usize;
        let most = due.min(total).min(answered + UNDERWAY);
        while said < most {
            let (number, player) = ((said / players) as u64, said % players);
            let packet =
                [&(player as u64).to_be_bytes()[..], &number.to_be_bytes(), &[7; 44]].concat();
            game.players[player].send(&packet);
            said += 1;
        }
        game.frame_of_server();
        for (client, packet) in std::mem::take(&mut game.received) {
            *heard.entry(client.id).or_default() += 1;
            sender.queue(client, &packet).expect("there is room");
        }
        sender.flush();
        // A part of the players at a time, or looking at their sockets would be all that this does.
        let part = (start.elapsed().as_millis() / 5) as usize % 10;
        for (index, player) in game.players.iter_mut().enumerate().skip(part).step_by(10) {
            player.poll();
            for packet in player.received.drain(..) {
                assert_eq!(packet[..8], (index as u64).to_be_bytes(), "its own");
                answered += 1;
            }
        }
    }
    let took = start.elapsed().as_secs_f64();
    let stats = game.server.stats();
    println!(
        "{players} players, {rounds} packets each, there and back, {:.1} a second from each; {:?}",
        rounds as f64 / took,
        game.server.counters()
    );
    assert!(heard.len() == players && heard.values().all(|count| *count == rounds));
    assert_eq!(game.ended, []);
    assert_eq!(stats[Count::PacketsReceived], total as u64);
    assert_eq!(stats[Count::PacketsSent], total as u64);
    assert_eq!(stats[Count::Connections], players as u64);
}
