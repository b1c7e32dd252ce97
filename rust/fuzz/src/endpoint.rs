//! An endpoint with honest players, among whom a stranger sends what he likes in anybody's name.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dtls_core::{
    Backlog, Client, Count, Ended, Ending, Endpoint, EndpointStats, Event, HandshakeResults,
    Handshakes, Output, Path, Session, Status, Unconnected,
};

use crate::client::{Client as Config, Rebuild as _};
use crate::input::Input;
use crate::pki::Pki;
use crate::{chance, clock, records, world};

/// Addresses with a player each, and one more that only the stranger has.
const PLAYERS: usize = 3;
const STRANGER: usize = PLAYERS;
/// How many clients there may be at a time: fewer than there are players.
const PLACES: usize = 2;
/// Steps of a script that are taken.
const MOST_STEPS: usize = 200;

/// A row of steps. No connection ends but by its two sides or by a player who starts again; whoever receives a packet
/// receives one that was sent to him, once; no address is answered with more than came from it, unless it has proved
/// itself; and there are never more clients or handshakes than there may be.
pub fn endpoint(input: &[u8]) {
    crate::begin();
    let mut input = Input::new(input);
    let mut scene = Scene::new(input.byte());
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        scene.step(&mut input);
    }
    scene.finish();
}

enum Job {
    Datagram(Unconnected, Vec<u8>),
    Confirm(SocketAddr),
}

/// Handshakes that run elsewhere, and what is underway to them and from them.
struct Part {
    handshakes: Handshakes,
    jobs: VecDeque<Job>,
    results: VecDeque<HandshakeResults>,
}

/// A client of this address, the newest one.
struct Player {
    session: Session,
    /// By which its packets are told from those of others.
    serial: usize,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// Whether something to it was lost or overtaken: it may not know that it is alone.
    missed: bool,
}

struct Scene {
    endpoint: Endpoint,
    stats: EndpointStats,
    backlog: Arc<Backlog>,
    parts: Vec<Part>,
    /// How many handshakes there may be at a time.
    most_pending: usize,
    output: Output,
    config: Config,
    players: Vec<Player>,
    /// Everything that players have sent.
    sent: Vec<Vec<u8>>,
    /// Whether a client of the address was ever closed.
    closed: [bool; PLAYERS],
    /// How many clients each address has had, and how many connections have ended because of that.
    starts: [usize; PLAYERS],
    restarts: [usize; PLAYERS],
    disconnected: HashSet<u32>,
    last_id: u32,
    /// The address of each client that is connected.
    live: BTreeMap<u32, usize>,
    /// Which client of an address an id belongs to.
    serials: HashMap<u32, usize>,
    /// The packets that are underway, or lost.
    said: HashSet<Vec<u8>>,
    /// How many packets the server has sent.
    spoken: usize,
    /// Bytes that came from the stranger's own address, and went there.
    from_stranger: usize,
    to_stranger: usize,
}

fn address(index: usize) -> SocketAddr {
    ([192, 0, 2, u8::try_from(index).unwrap_or_default() + 1], 4242).into()
}

fn path(index: usize, is_other: bool) -> Path {
    Path { peer: address(index), local: Some(IpAddr::from([198, 51, 100, u8::from(is_other)])) }
}

impl Scene {
    fn new(choice: u8) -> Self {
        // The same in every run, down to the secret of its cookies.
        chance::begin(1);
        let pki = Pki::get();
        let most_pending = usize::from(choice / 3 % 3) + 1;
        let server = pki.server.to_builder().with_max_pending_handshakes(most_pending).build();
        let backlog = Arc::new(Backlog::new(PLACES));
        let mut endpoint =
            Endpoint::new(server.expect("usable"), Arc::clone(&backlog), clock::now())
                .expect("OpenSSL works");
        let parts = match choice % 3 {
            0 => Vec::new(),
            parts => endpoint.take_handshakes(parts.into()),
        };
        let part =
            |handshakes| Part { handshakes, jobs: VecDeque::new(), results: VecDeque::new() };
        let config = pki.client.rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
        let player = |serial| Player {
            session: world::connect(&config),
            serial,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            missed: false,
        };
        let players = (0..PLAYERS).map(player).collect();
        let mut scene = Self {
            stats: endpoint.stats(),
            endpoint,
            backlog,
            parts: parts.into_iter().map(part).collect(),
            most_pending,
            output: Output::default(),
            config,
            players,
            sent: Vec::new(),
            closed: [false; PLAYERS],
            starts: [1; PLAYERS],
            restarts: [0; PLAYERS],
            disconnected: HashSet::new(),
            last_id: 0,
            live: BTreeMap::new(),
            serials: HashMap::new(),
            said: HashSet::new(),
            spoken: 0,
            from_stranger: 0,
            to_stranger: 0,
        };
        (0..PLAYERS).for_each(|index| scene.collect(index));
        scene
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let (index, count) = (usize::from(step >> 4 & 3), step >> 6);
        let player = index % PLAYERS;
        match step & 0x0f {
            // What is on the wire arrives, oldest first.
            0 => {
                for _ in 0..=count {
                    if let Some(datagram) = self.players[player].to_server.pop_front() {
                        self.arrive(path(player, false), &datagram);
                    }
                }
            }
            1 => {
                for _ in 0..=count {
                    self.hear(player);
                }
            }
            2 => self.settle(),
            // A player starts again.
            3 => {
                self.starts[player] += 1;
                let serial = self.starts.iter().sum();
                let session = world::connect(&self.config);
                let client = &mut self.players[player];
                (client.session, client.serial, client.missed) = (session, serial, false);
                self.collect(player);
            }
            // Someone says something.
            4 => drop(self.say(player)),
            5 => {
                if let Some((&id, _)) = self.live.iter().find(|(_, of)| **of == player) {
                    let packet = format!("to {id}, {}", self.spoken).into_bytes();
                    self.endpoint.send(id, &packet, &mut self.output).expect("there is room");
                    self.said.insert(packet);
                    self.spoken += 1;
                    self.take_output();
                }
            }
            // The stranger sends any bytes, a record, a message, what was sent before, and that with a part replaced.
            6 => {
                let datagram = input.block().to_vec();
                self.spoof(index, count, &datagram);
            }
            7 => {
                let (content, sequence) = (input.byte(), input.number());
                let datagram = records::record(content, count, sequence, input.block());
                self.spoof(index, count, &datagram);
            }
            8 => {
                let (kind, sequence) = (input.byte(), input.number());
                let datagram = records::message(kind, count, sequence, input.block());
                self.spoof(index, count, &datagram);
            }
            9 | 10 => {
                let which = input.number() % self.sent.len();
                let mut datagram = self.sent[which].clone();
                if step & 0x0f == 10 {
                    let (at, removed) = (input.number(), usize::from(input.byte()));
                    let added = input.block();
                    let spliced = records::splice(&datagram, 0, at, removed, added);
                    datagram = spliced.unwrap_or(datagram);
                }
                self.spoof(index, count, &datagram);
            }
            // Something is lost, or overtaken.
            11 => {
                let client = &mut self.players[player];
                match count {
                    0 => drop(client.to_server.pop_front()),
                    1 => client.to_server.rotate_left(1.min(client.to_server.len())),
                    2 => {
                        client.missed |= client.to_client.pop_front().is_some();
                    }
                    _ => {
                        client.missed |= client.to_client.len() > 1;
                        client.to_client.rotate_left(1.min(client.to_client.len()));
                    }
                }
            }
            // Time goes by, up to 12.8 s.
            12 => self.wait(Duration::from_millis(50) * (u32::from(input.byte()) + 1)),
            // The handshakes elsewhere go on, or what they have come to arrives.
            13 => {
                self.work(index, usize::from(count) + 1);
            }
            14 => {
                self.take_results(index);
            }
            _ => match count {
                0 | 1 => {
                    if let Some((&id, _)) = self.live.iter().find(|(_, of)| **of == player) {
                        self.disconnected.insert(id);
                        self.endpoint.disconnect(id, &mut self.output);
                        self.take_output();
                    }
                }
                2 => {
                    self.closed[player] = true;
                    self.players[player].session.close();
                    self.collect(player);
                }
                _ => {
                    let config = Pki::get().server.to_builder();
                    let config = config.with_max_pending_handshakes(self.most_pending).build();
                    let config = config.expect("usable");
                    self.endpoint.set_config(config.clone());
                    for part in &mut self.parts {
                        part.handshakes.set_config(config.clone());
                    }
                }
            },
        }
        assert!(self.endpoint.connected() <= PLACES, "more clients than there may be");
        assert_eq!(self.endpoint.connected(), self.live.len());
    }

    /// Something comes from this address that no player has sent now.
    fn spoof(&mut self, index: usize, count: u8, datagram: &[u8]) {
        if index == STRANGER {
            self.from_stranger += datagram.len();
        }
        self.arrive(path(index, count & 1 != 0), datagram);
    }

    fn arrive(&mut self, path: Path, datagram: &[u8]) {
        self.endpoint.handle_datagram(path, datagram, clock::now(), &mut self.output);
        self.take_output();
    }

    fn part(&mut self, peer: SocketAddr) -> Option<&mut Part> {
        let index = usize::from(peer.port() ^ u16::from(peer == address(1)));
        let count = self.parts.len();
        self.parts.get_mut(index.checked_rem(count)?)
    }

    fn take_output(&mut self) {
        let mut output = std::mem::take(&mut self.output);
        for event in output.events.drain(..) {
            self.note(event);
        }
        for (client, packet) in output.packets.iter() {
            self.backlog.remove(client.slot, packet.len());
            self.note_packet(*client, packet);
        }
        for (path, datagram) in output.transmits.iter() {
            match (0..PLAYERS).find(|index| address(*index) == path.peer) {
                Some(index) => self.players[index].to_client.push_back(datagram.to_vec()),
                None => self.to_stranger += datagram.len(),
            }
        }
        assert!(self.to_stranger <= self.from_stranger, "more than came from there");
        for (unconnected, datagram) in output.unconnected.iter() {
            let job = Job::Datagram(*unconnected, datagram.to_vec());
            self.part(unconnected.path.peer).expect("a part").jobs.push_back(job);
        }
        for peer in output.confirmed.drain(..) {
            self.part(peer).expect("a part").jobs.push_back(Job::Confirm(peer));
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected(client, peer, session) => {
                assert_eq!(session.lock().status(), Status::Connected);
                assert!(client.id > self.last_id, "an id that was there before");
                assert!(usize::try_from(client.slot).is_ok_and(|slot| slot < PLACES));
                self.last_id = client.id;
                let index = (0..PLAYERS).find(|index| address(*index) == peer);
                let index = index.expect("nobody else has a key");
                assert!(self.live.values().all(|of| *of != index), "two of one address");
                self.live.insert(client.id, index);
            }
            Event::Disconnected(Client { id, .. }, ended) => {
                let index = self.live.remove(&id).expect("it was connected");
                let Ended::Ending(ending) = ended else { panic!("ended by a stranger: {ended}") };
                match ending {
                    Ending::Closed => assert!(self.disconnected.contains(&id)),
                    Ending::ClosedByPeer => assert!(self.closed[index], "closed by a stranger"),
                    Ending::Restarted => {
                        self.restarts[index] += 1;
                        assert!(self.restarts[index] < self.starts[index], "by a stranger");
                    }
                    Ending::Idle(_) => panic!("nobody is too silent"),
                }
            }
        }
    }

    /// A packet of a client: `from SERIAL, NUMBER`.
    fn note_packet(&mut self, client: Client, packet: &[u8]) {
        assert!(self.said.remove(packet), "nobody said {packet:?}, or it came twice");
        let text = String::from_utf8_lossy(packet);
        let serial = text.strip_prefix("from ").and_then(|text| text.split(',').next());
        let serial: usize = serial.and_then(|it| it.parse().ok()).expect("a packet for the server");
        let known = *self.serials.entry(client.id).or_insert(serial);
        assert_eq!(known, serial, "two clients under one id");
        assert!(self.serials.iter().all(|(id, of)| *id == client.id || *of != serial));
    }

    /// Puts on the wire what a player has to say.
    fn collect(&mut self, index: usize) {
        let Player { session, to_server, .. } = &mut self.players[index];
        let sent = &mut self.sent;
        session.transmit(|datagram| {
            sent.push(datagram.to_vec());
            to_server.push_back(datagram.to_vec());
        });
    }

    /// Lets a player have the oldest datagram to it.
    fn hear(&mut self, index: usize) -> bool {
        let player = &mut self.players[index];
        let Some(datagram) = player.to_client.pop_front() else {
            return false;
        };
        player.session.handle_datagram(&datagram, clock::now());
        while let Some(packet) = player.session.receive() {
            assert!(self.said.remove(&packet), "nobody said {packet:?}, or it came twice");
            assert!(packet.starts_with(b"to "));
        }
        self.collect(index);
        true
    }

    fn say(&mut self, index: usize) -> Option<Vec<u8>> {
        let player = &mut self.players[index];
        let packet = format!("from {}, {}", player.serial, self.sent.len()).into_bytes();
        player.session.send(&packet).ok()?;
        self.said.insert(packet.clone());
        self.collect(index);
        Some(packet)
    }

    /// Lets the handshakes elsewhere take so many of their jobs.
    fn work(&mut self, index: usize, most: usize) -> bool {
        let count = self.parts.len();
        let Some(part) = index.checked_rem(count).and_then(|index| self.parts.get_mut(index))
        else {
            return false;
        };
        let mut results = HandshakeResults::default();
        let has_work = !part.jobs.is_empty();
        for job in part.jobs.drain(..most.min(part.jobs.len())) {
            match job {
                Job::Datagram(from, datagram) => {
                    part.handshakes.handle_datagram(from, &datagram, clock::now(), &mut results);
                }
                Job::Confirm(peer) => part.handshakes.confirm(peer),
            }
        }
        if part.handshakes.next_timeout().is_some_and(|due| due <= clock::now()) {
            part.handshakes.handle_timeout(clock::now(), &mut results);
        }
        if !results.is_empty() {
            part.results.push_back(results);
        }
        has_work
    }

    fn take_results(&mut self, index: usize) -> bool {
        let count = self.parts.len();
        let results = index
            .checked_rem(count)
            .and_then(|index| self.parts.get_mut(index)?.results.pop_front());
        let Some(mut results) = results else {
            return false;
        };
        self.endpoint.take_results(&mut results, clock::now(), &mut self.output);
        assert!(results.is_empty(), "the endpoint takes all of it");
        self.take_output();
        true
    }

    fn wait(&mut self, time: Duration) {
        clock::advance(time);
        self.handle_timeouts();
    }

    fn handle_timeouts(&mut self) {
        let now = clock::now();
        for index in 0..PLAYERS {
            self.players[index].session.handle_timeout(now);
            self.collect(index);
        }
        for part in &mut self.parts {
            let mut results = HandshakeResults::default();
            part.handshakes.handle_timeout(now, &mut results);
            let next = part.handshakes.next_timeout();
            assert!(next.is_none_or(|next| next > now), "a timer that is not moved on");
            if !results.is_empty() {
                part.results.push_back(results);
            }
        }
        self.endpoint.handle_timeout(now, &mut self.output);
        let next = self.endpoint.next_timeout();
        assert!(next.is_none_or(|next| next > now), "a timer that is not moved on");
        self.take_output();
    }

    /// Lets everything arrive that is underway. No time goes by.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut is_busy = false;
            for index in 0..PLAYERS {
                if let Some(datagram) = self.players[index].to_server.pop_front() {
                    self.arrive(path(index, false), &datagram);
                    is_busy = true;
                }
                is_busy |= self.hear(index);
            }
            for index in 0..self.parts.len() {
                is_busy |= self.work(index, usize::MAX);
                is_busy |= self.take_results(index);
            }
            if !is_busy {
                return;
            }
        }
        panic!("they never stop talking");
    }

    /// Nobody interferes any more.
    fn finish(&mut self) {
        self.settle();
        self.handle_timeouts();
        let underway: usize = self.parts.iter().map(|part| part.handshakes.len()).sum();
        assert!(underway <= self.most_pending, "{underway} handshakes are underway");
        for _ in 0..20 {
            self.settle();
            self.wait(Duration::from_secs(2));
        }
        self.settle();
        let underway: usize = self.parts.iter().map(|part| part.handshakes.len()).sum();
        assert_eq!(underway, 0, "handshakes that are never over");
        assert_eq!(self.stats.get()[Count::Connections], self.live.len() as u64);
        for index in 0..PLAYERS {
            let is_connected = self.players[index].session.status() == Status::Connected;
            let is_alone = self.live.values().all(|of| *of != index);
            if !is_connected || is_alone {
                assert!(!is_connected || self.players[index].missed, "it was not told");
                continue;
            }
            let Some(packet) = self.say(index) else { panic!("it is connected") };
            self.settle();
            let has_arrived = !self.said.contains(&packet);
            assert!(has_arrived || self.players[index].missed, "a packet did not arrive");
        }
    }
}
