//! Players for `cargo xtask bench`, in a process of their own: `players KIND PORT`, where KIND is `dtls` or `udp`,
//! connects to that port of the loopback, and does what the lines on its standard input say, one after the other. Each
//! is answered with a line. It ends with the line `end`, with its input, and after ten minutes in any case.
//!
//! - `connect COUNT AT_ONCE`: so many more players, with so many handshakes at a time. `connected SECONDS`
//! - `send FIRST END SIZE`: one packet from each of these. `sent`
//! - `play RATE SIZE SECONDS`: each sends as many packets a second, not all at once, and reads what comes. `played SENT
//!   RECEIVED MEDIAN MOST`, where the last two are microseconds from the time that the packets of the server begin
//!   with to here: the median, and what 99 % stay below.

use std::io::{self, BufRead};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dtls_core::{ClientConfig, Session, Status, Verification};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

const LIFETIME: Duration = Duration::from_secs(600);

struct Player {
    socket: UdpSocket,
    /// `None` without encryption.
    session: Option<Session>,
}

impl Player {
    fn transmit(&mut self) {
        let Self { socket, session } = self;
        if let Some(session) = session {
            session.transmit(|datagram| {
                let _lost = socket.send(datagram);
            });
        }
    }

    fn send(&mut self, packet: &[u8]) {
        match &mut self.session {
            Some(session) => session.send(packet).expect("it is connected"),
            None => {
                let _lost = self.socket.send(packet);
            }
        }
        self.transmit();
    }

    /// Reads what has come.
    fn receive(&mut self, mut take: impl FnMut(&[u8])) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            match &mut self.session {
                None => take(&buffer[..length]),
                Some(session) => {
                    session.handle_datagram(&buffer[..length], Instant::now());
                    while let Some(packet) = session.receive() {
                        take(&packet);
                    }
                }
            }
        }
        self.transmit();
    }

    fn is_connected(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.status() == Status::Connected)
    }
}

struct Players {
    server: SocketAddr,
    config: Option<ClientConfig>,
    players: Vec<Player>,
    poll: Poll,
    events: Events,
}

impl Players {
    fn begin_one(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut socket = UdpSocket::bind(address).expect("a free port");
        socket.connect(self.server).expect("the loopback");
        let token = Token(self.players.len());
        let registry = self.poll.registry();
        registry.register(&mut socket, token, Interest::READABLE).expect("it can be polled");
        let begin = |config| Session::connect(config, None, Instant::now()).expect("OpenSSL works");
        let session = self.config.as_ref().map(begin);
        let mut player = Player { socket, session };
        // Without a handshake a server knows a player by its first packet.
        if player.session.is_none() {
            player.send(&[0]);
        }
        player.transmit();
        self.players.push(player);
    }

    /// Waits for what comes, at most so long, and lets the players read it.
    fn wait(&mut self, timeout: Duration, mut take: impl FnMut(&[u8])) {
        self.poll.poll(&mut self.events, Some(timeout)).expect("it can be polled");
        for event in &self.events {
            self.players[event.token().0].receive(&mut take);
        }
    }

    fn connect(&mut self, count: usize, at_once: usize) -> String {
        let started = Instant::now();
        let end = self.players.len() + count;
        let mut underway: Vec<usize> = Vec::new();
        while self.players.len() < end || !underway.is_empty() {
            while underway.len() < at_once && self.players.len() < end {
                underway.push(self.players.len());
                self.begin_one();
            }
            self.wait(Duration::from_millis(5), |_| ());
            for index in &underway {
                let player = &mut self.players[*index];
                if let Some(session) = &mut player.session {
                    session.handle_timeout(Instant::now());
                    assert!(session.status() != Status::Failed, "{:?}", session.failure());
                }
                player.transmit();
            }
            underway.retain(|index| !self.players[*index].is_connected());
            assert!(started.elapsed() < LIFETIME, "not in time");
        }
        format!("connected {:.3}", started.elapsed().as_secs_f64())
    }

    fn send(&mut self, first: usize, end: usize, size: usize) -> String {
        let packet = vec![0x5a; size];
        for player in &mut self.players[first..end] {
            player.receive(|_| ());
            player.send(&packet);
        }
        "sent".to_owned()
    }

    fn play(&mut self, rate: f64, size: usize, seconds: f64) -> String {
        let (mut sent, mut latencies) = (0_u32, Vec::new());
        let every = Duration::from_secs_f64(1.0 / rate / self.players.len() as f64);
        let length = Duration::from_secs_f64(seconds).min(LIFETIME);
        let started = Instant::now();
        while started.elapsed() < length {
            let next = started + every * sent;
            if let Some(left) = next.checked_duration_since(Instant::now()) {
                // The system's clock for waiting has milliseconds.
                self.wait(left, |packet| latencies.push(age(packet)));
                continue;
            }
            let player = sent as usize % self.players.len();
            let mut packet = now().to_le_bytes().to_vec();
            packet.resize(size, 0x5a);
            self.players[player].send(&packet);
            sent += 1;
        }
        // What is underway.
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            self.wait(Duration::from_millis(10), |packet| latencies.push(age(packet)));
        }
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or(0);
        format!("played {sent} {} {} {}", latencies.len(), at(50) / 1000, at(99) / 1000)
    }
}

/// Nanoseconds, by the clock that all processes have.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_nanos()).expect("before 2554")
}

/// Nanoseconds since the time that a packet begins with.
fn age(packet: &[u8]) -> u64 {
    packet.first_chunk().map_or(0, |began| now().saturating_sub(u64::from_le_bytes(*began)))
}

fn main() {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(1);
    });
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kind, port] = &arguments[..] else { panic!("players KIND PORT") };
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let config = ClientConfig::with_verification(Verification::Nothing);
    let config = (kind == "dtls").then(|| config.build().expect("a usable configuration"));
    let poll = Poll::new().expect("the system can poll");
    let events = Events::with_capacity(1024);
    let mut players = Players { server, config, players: Vec::new(), poll, events };
    for line in io::stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<usize>().expect("a number");
        let real = |index: usize| words[index].parse::<f64>().expect("a number");
        let answer = match words[0] {
            "connect" => players.connect(number(1), number(2)),
            "send" => players.send(number(1), number(2), number(3)),
            "play" => players.play(real(1), number(2), real(3)),
            "end" => return,
            other => panic!("{other}?"),
        };
        println!("{answer}");
    }
}
