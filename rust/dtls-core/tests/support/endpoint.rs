//! An endpoint and its players, over a network in memory.
//!
//! The handshakes run inside the endpoint, or elsewhere in parts, as they would in threads of their own: what is for
//! them waits in a queue for some rounds, and so does what they come to. A round takes no time, so that a test can tell
//! what has to wait for a timer from what does not.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dtls_core::{
    Backlog, Client, Ended, Endpoint, EndpointStats, Event, HandshakeResults, Handshakes, Output,
    Path, ServerConfig, Session, SharedSession, Stats, Status, Unconnected,
};
use netsim::{Conditions, Direction, Link, Wire};

use super::link::{End as _, address, connect, packets};
use super::pki::Rebuild as _;
use super::{clock, pki, records};

/// Where the handshakes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Inside,
    Elsewhere { parts: usize },
}

/// Every test is for all of these.
pub(crate) const MODES: [Mode; 3] =
    [Mode::Inside, Mode::Elsewhere { parts: 1 }, Mode::Elsewhere { parts: 2 }];

/// How many rounds a datagram is underway to the handshakes, or what they come to is underway from them.
const LAG: usize = 3;

/// A client of the endpoint.
pub(crate) struct Player {
    pub(crate) session: Session,
    pub(crate) path: Path,
    pub(crate) received: Vec<Vec<u8>>,
    /// Datagrams that came from another address than the one that it sends to. A router lets none of them through.
    pub(crate) misdirected: usize,
    wire: Wire,
}

/// An [`Event`] that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Connected(u32, SocketAddr),
    Disconnected(u32, Ended),
}

enum Job {
    Datagram(Unconnected, Vec<u8>),
    Confirm(SocketAddr),
}

/// Handshakes that run elsewhere.
struct Part {
    handshakes: Handshakes,
    /// What is for them, and in which round it is there.
    jobs: VecDeque<(usize, Job)>,
    results: VecDeque<(usize, HandshakeResults)>,
}

pub(crate) struct World {
    pub(crate) endpoint: Endpoint,
    pub(crate) stats: EndpointStats,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) players: BTreeMap<SocketAddr, Player>,
    pub(crate) happened: Vec<Happened>,
    /// When each of them did.
    pub(crate) when: Vec<Instant>,
    pub(crate) sessions: BTreeMap<u32, Arc<SharedSession>>,
    /// Packets that the owner has read, oldest first.
    pub(crate) received: Vec<(u32, Vec<u8>)>,
    /// Packets that it has not, since it does not read.
    pub(crate) unread: VecDeque<(Client, Vec<u8>)>,
    pub(crate) reads: bool,
    /// What the endpoint has sent.
    pub(crate) sent: Vec<(Path, Vec<u8>)>,
    /// How many datagrams of connected clients the handshakes elsewhere were given.
    pub(crate) of_connected: usize,
    /// Whether what the handshakes come to is kept from the endpoint.
    pub(crate) holds_results: bool,
    parts: Vec<Part>,
    output: Output,
    conditions: Conditions,
    seed: u64,
    round: usize,
}

/// The address of the player with this number, in a network of its own.
pub(crate) fn peer(number: usize) -> SocketAddr {
    let [.., high, low] = number.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 4242))
}

/// The address of the server that players send to.
pub(crate) fn local() -> Option<IpAddr> {
    Some(address("198.51.100.1:1").ip())
}

/// Another one of its addresses.
pub(crate) fn other_local() -> Option<IpAddr> {
    Some(address("198.51.100.2:1").ip())
}

pub(crate) fn path(peer: SocketAddr) -> Path {
    Path { peer, local: local() }
}

/// A client's configuration without resumption.
pub(crate) fn fresh() -> pki::Client {
    pki::verifying().rebuild(|it| it.with_resumption(false)).expect("usable")
}

impl World {
    pub(crate) fn new(mode: Mode, config: &ServerConfig, places: usize) -> Self {
        println!("{mode:?}");
        let backlog = Arc::new(Backlog::new(places));
        let mut endpoint = Endpoint::new(config.clone(), Arc::clone(&backlog), clock::now())
            .expect("OpenSSL works");
        let parts = match mode {
            Mode::Inside => Vec::new(),
            Mode::Elsewhere { parts } => endpoint.take_handshakes(parts),
        };
        let part =
            |handshakes| Part { handshakes, jobs: VecDeque::new(), results: VecDeque::new() };
        Self {
            stats: endpoint.stats(),
            endpoint,
            backlog,
            players: BTreeMap::new(),
            happened: Vec::new(),
            when: Vec::new(),
            sessions: BTreeMap::new(),
            received: Vec::new(),
            unread: VecDeque::new(),
            reads: true,
            sent: Vec::new(),
            of_connected: 0,
            holds_results: false,
            parts: parts.into_iter().map(part).collect(),
            output: Output::default(),
            conditions: Conditions::PERFECT,
            seed: 0,
            round: 0,
        }
    }

    /// One with so many players, all connected: the player with number n is at `peer(n)`.
    pub(crate) fn connected(
        mode: Mode,
        config: &ServerConfig,
        places: usize,
        count: usize,
    ) -> Self {
        let (mut world, client) = (Self::new(mode, config, places), fresh());
        for number in 0..count {
            world.join(peer(number), &client);
            world.settle();
        }
        let ids: Vec<u32> = (0..count).map(|number| world.id(peer(number))).collect();
        assert!(ids.iter().copied().eq(1..=u32::try_from(count).expect("few")), "{ids:?}");
        world
    }

    /// The network of the players to come is like that.
    pub(crate) fn weather(&mut self, conditions: Conditions, seed: u64) {
        println!("seed {seed}");
        clock::seed(seed);
        (self.conditions, self.seed) = (conditions, seed);
    }

    pub(crate) fn now_stats(&self) -> Stats {
        self.stats.get()
    }

    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// How many handshakes elsewhere are underway.
    pub(crate) fn handshakes_elsewhere(&self) -> usize {
        self.parts.iter().map(|part| part.handshakes.len()).sum()
    }

    /// How many datagrams are to be sent by handshakes elsewhere, and kept from the endpoint.
    pub(crate) fn transmits_held(&self) -> usize {
        let results = self.parts.iter().flat_map(|part| &part.results);
        results.map(|(_, results)| results.transmits.len()).sum()
    }

    pub(crate) fn set_config(&mut self, config: &ServerConfig) {
        self.endpoint.set_config(config.clone());
        self.parts.iter_mut().for_each(|part| part.handshakes.set_config(config.clone()));
    }

    /// A player starts at this address, in place of the one that was there.
    pub(crate) fn join(&mut self, peer: SocketAddr, config: &pki::Client) {
        let number = u64::try_from(self.players.len()).expect("few");
        let link = Link::new(self.seed.wrapping_mul(1_000_003) + number, self.conditions);
        let session = connect(config);
        match self.players.entry(peer) {
            Entry::Occupied(player) => player.into_mut().session = session,
            Entry::Vacant(place) => {
                let (path, wire) = (path(peer), Wire::new(link));
                place.insert(Player { session, path, received: Vec::new(), misdirected: 0, wire });
            }
        }
    }

    pub(crate) fn player(&mut self, peer: SocketAddr) -> &mut Player {
        self.players.get_mut(&peer).expect("a player")
    }

    /// The id under which the last client at this address was connected.
    pub(crate) fn id(&self, peer: SocketAddr) -> u32 {
        let found = self.happened.iter().rev().find_map(|it| match it {
            Happened::Connected(id, at) if *at == peer => Some(*id),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{peer} was never connected: {:?}", self.happened))
    }

    /// A datagram arrives at the endpoint, whoever has sent it.
    pub(crate) fn arrive(&mut self, path: Path, datagram: &[u8]) {
        self.endpoint.handle_datagram(path, datagram, clock::now(), &mut self.output);
        self.take_output();
    }

    /// The same, and then everything that comes of it. Returns what was sent to that address.
    pub(crate) fn ask(&mut self, path: Path, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.sent.clear();
        self.arrive(path, datagram);
        self.settle();
        let answers = self.sent.iter().filter(|(to, _)| to.peer == path.peer);
        answers.map(|(_, datagram)| datagram.clone()).collect()
    }

    /// Someone at this address whose handshake has begun: the answer to the second ClientHello is still to be handled.
    pub(crate) fn begun(&mut self, peer: SocketAddr) -> (Session, Vec<Vec<u8>>) {
        let mut client = connect(&fresh());
        let answer = self.ask(path(peer), &hello(&mut client));
        let hello = hello_with_cookie(&mut client, &answer);
        let flight = self.ask(path(peer), &hello);
        (client, flight)
    }

    pub(crate) fn send(&mut self, id: u32, packet: &[u8]) {
        self.endpoint.send(id, packet, &mut self.output).expect("there is room");
        self.take_output();
    }

    pub(crate) fn disconnect(&mut self, id: u32) {
        self.endpoint.disconnect(id, &mut self.output);
        self.take_output();
    }

    pub(crate) fn disconnect_all(&mut self) {
        self.endpoint.disconnect_all(&mut self.output);
        self.take_output();
    }

    pub(crate) fn transport_closed(&mut self) {
        self.endpoint.transport_closed(&mut self.output);
        self.take_output();
    }

    /// Reads the oldest packet that waits.
    pub(crate) fn read_one(&mut self) -> bool {
        let Some((client, packet)) = self.unread.pop_front() else {
            return false;
        };
        self.backlog.remove(client.slot, packet.len());
        self.received.push((client.id, packet));
        true
    }

    fn part(&mut self, peer: SocketAddr) -> Option<&mut Part> {
        let mut hasher = DefaultHasher::new();
        peer.hash(&mut hasher);
        let count = u64::try_from(self.parts.len()).expect("few");
        let index = hasher.finish().checked_rem(count)?;
        self.parts.get_mut(usize::try_from(index).expect("few"))
    }

    /// Whether two addresses belong to the same part of the handshakes.
    pub(crate) fn share_a_part(&mut self, one: SocketAddr, other: SocketAddr) -> bool {
        let mut handshakes =
            |peer| self.part(peer).map(|part| std::ptr::from_ref(&part.handshakes));
        handshakes(one) == handshakes(other)
    }

    fn take_output(&mut self) {
        let mut output = std::mem::take(&mut self.output);
        for (path, datagram) in output.transmits.iter() {
            self.sent.push((*path, datagram.to_vec()));
            match self.players.get_mut(&path.peer) {
                Some(player) if player.path.local == path.local => {
                    player.wire.send(Direction::ToClient, datagram, clock::now());
                }
                Some(player) => player.misdirected += 1,
                None => {}
            }
        }
        for event in output.events.drain(..) {
            self.when.push(clock::now());
            self.happened.push(match event {
                Event::Connected(client, peer, session) => {
                    assert_eq!(session.lock().status(), Status::Connected);
                    assert!(usize::try_from(client.slot).expect("small") < self.backlog.places());
                    self.sessions.insert(client.id, session);
                    Happened::Connected(client.id, peer)
                }
                Event::Disconnected(client, ended) => Happened::Disconnected(client.id, ended),
            });
        }
        let arrived = output.packets.iter().map(|(client, packet)| (*client, packet.to_vec()));
        self.unread.extend(arrived);
        while self.reads && self.read_one() {}
        if self.parts.is_empty() {
            assert!(output.unconnected.is_empty() && output.confirmed.is_empty());
        }
        let due = self.round + LAG;
        for (unconnected, datagram) in output.unconnected.iter() {
            self.of_connected += usize::from(unconnected.connected_since.is_some());
            let job = Job::Datagram(*unconnected, datagram.to_vec());
            self.part(unconnected.path.peer).expect("a part").jobs.push_back((due, job));
        }
        for peer in output.confirmed.drain(..) {
            self.part(peer).expect("a part").jobs.push_back((due, Job::Confirm(peer)));
        }
    }

    /// What is there by now arrives, and what is due is done. Tells whether there is something left to do at this
    /// time.
    pub(crate) fn round(&mut self) -> bool {
        let mut is_busy = false;
        self.round += 1;
        let peers: Vec<SocketAddr> = self.players.keys().copied().collect();
        for peer in peers {
            let player = self.player(peer);
            for datagram in player.session.take() {
                player.wire.send(Direction::ToServer, &datagram, clock::now());
                is_busy = true;
            }
            while let Some(arrival) = self.player(peer).wire.receive(clock::now()) {
                is_busy = true;
                match arrival.direction {
                    Direction::ToServer => {
                        let path = self.player(peer).path;
                        self.arrive(path, &arrival.bytes);
                    }
                    Direction::ToClient => self.player(peer).session.handle(&arrival.bytes),
                }
            }
            let player = self.player(peer);
            player.received.extend(packets(&mut player.session));
        }
        is_busy |= self.run_parts();
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= clock::now());
        if is_due(self.endpoint.next_timeout()) {
            is_busy = true;
            self.endpoint.handle_timeout(clock::now(), &mut self.output);
            self.take_output();
        }
        is_busy
    }

    fn run_parts(&mut self) -> bool {
        let (round, now) = (self.round, clock::now());
        let mut is_busy = false;
        let mut arrived = Vec::new();
        for part in &mut self.parts {
            let mut results = HandshakeResults::default();
            while let Some((_, job)) = part.jobs.pop_front_if(|(due, _)| *due <= round) {
                match job {
                    Job::Datagram(from, datagram) => {
                        part.handshakes.handle_datagram(from, &datagram, now, &mut results);
                    }
                    Job::Confirm(peer) => part.handshakes.confirm(peer),
                }
                is_busy = true;
            }
            if part.handshakes.next_timeout().is_some_and(|due| due <= now) {
                is_busy = true;
                part.handshakes.handle_timeout(now, &mut results);
            }
            if !results.is_empty() {
                part.results.push_back((round + LAG, results));
            }
            is_busy |= !part.jobs.is_empty();
            if !self.holds_results {
                is_busy |= !part.results.is_empty();
                while let Some(it) = part.results.pop_front_if(|(due, _)| *due <= round) {
                    arrived.push(it.1);
                }
            }
        }
        for mut results in arrived {
            self.endpoint.take_results(&mut results, now, &mut self.output);
            assert!(results.is_empty(), "the endpoint takes all of it");
            self.take_output();
        }
        is_busy
    }

    /// Lets everything arrive that is there. No time goes by.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.round() {
                return;
            }
        }
        panic!("they never stop");
    }

    /// When something is to be done next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let players = self.players.values();
        let wires = players.clone().filter_map(|player| player.wire.next_arrival());
        let parts = self.parts.iter().filter_map(|part| part.handshakes.next_timeout());
        let sessions = players.filter_map(|player| player.session.next_timeout());
        self.endpoint.next_timeout().into_iter().chain(wires).chain(parts).chain(sessions).min()
    }

    /// Goes on for so long, or until nothing is left to do.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = clock::now() + time;
        loop {
            self.settle();
            let next = self.next_timeout().map_or(end, |next| next.min(end));
            clock::advance(next.saturating_duration_since(clock::now()));
            for player in self.players.values_mut() {
                player.session.handle_timeout(clock::now());
            }
            if next == end {
                self.settle();
                return;
            }
        }
    }

    /// Every player says something, and is answered, under its own id.
    pub(crate) fn assert_packets_pass(&mut self) {
        self.received.clear();
        let mut expected = Vec::new();
        let peers: Vec<SocketAddr> = self.players.keys().copied().collect();
        for peer in &peers {
            let id = self.id(*peer);
            let player = self.player(*peer);
            player.received.clear();
            assert_eq!(player.session.status(), Status::Connected, "{peer}");
            for number in 0..3 {
                let packet = format!("{number} from {peer}").into_bytes();
                player.session.send(&packet).expect("connected");
                expected.push((id, packet));
            }
        }
        self.settle();
        self.received.sort();
        expected.sort();
        assert_eq!(self.received, expected);
        for peer in &peers {
            let id = self.id(*peer);
            self.send(id, format!("to {peer}").as_bytes());
        }
        self.settle();
        for (peer, player) in &self.players {
            assert_eq!(player.received, [format!("to {peer}").into_bytes()], "{peer}");
            assert_eq!(player.misdirected, 0, "{peer}");
        }
    }
}

/// The one datagram that `client` has to send.
pub(crate) fn hello(client: &mut Session) -> Vec<u8> {
    let mut datagrams = client.take();
    assert_eq!(datagrams.len(), 1);
    datagrams.remove(0)
}

/// The ClientHello with which `client` answers the HelloVerifyRequest in `answers`.
pub(crate) fn hello_with_cookie(client: &mut Session, answers: &[Vec<u8>]) -> Vec<u8> {
    let [answer] = answers else { panic!("{} answers", answers.len()) };
    assert_eq!(records::message(answer), Some(records::HELLO_VERIFY_REQUEST));
    client.handle(answer);
    hello(client)
}
