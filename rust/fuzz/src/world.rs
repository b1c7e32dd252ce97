//! A client, a server and the wire between them, in virtual time.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use dtls_core::{
    Accepted, Count, Datagrams, Ending, Failure, Listener, ServerConfig, Session, Status,
};

use crate::client::Client;
use crate::{clock, records};

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

pub(crate) use Direction::{ToClient, ToServer};

impl Direction {
    pub(crate) fn opposite(self) -> Self {
        match self {
            ToServer => ToClient,
            ToClient => ToServer,
        }
    }
}

/// What went one way.
#[derive(Default)]
pub(crate) struct Way {
    /// What is on the wire, the oldest first.
    pub(crate) queue: VecDeque<Vec<u8>>,
    /// Every datagram that was sent, whatever became of it.
    pub(crate) sent: Vec<Vec<u8>>,
    /// The records in them.
    genuine: HashSet<Vec<u8>>,
    /// The packets of the application.
    said: Vec<Vec<u8>>,
    /// Those that were received, by their index in `said`.
    heard: HashSet<usize>,
}

pub(crate) struct World {
    pub(crate) client: Session,
    listener: Listener,
    /// The newest session of the server.
    pub(crate) server: Option<Session>,
    answers: Datagrams,
    to_server: Way,
    to_client: Way,
    /// Whether any session of the server has ever been connected.
    pub(crate) server_was_connected: bool,
    /// Whether one has ended for a client that started again.
    pub(crate) has_restarted: bool,
    /// Whether any session was ended because its peer was silent. A ClientHello that comes again may
    /// have begun another one since.
    pub(crate) was_idle: bool,
}

impl World {
    /// A client that has not been heard yet.
    pub(crate) fn new(server: ServerConfig, client: &Client) -> Self {
        let mut world = Self {
            client: connect(client),
            listener: Listener::new(server, clock::now()).expect("OpenSSL works"),
            server: None,
            answers: Datagrams::new(),
            to_server: Way::default(),
            to_client: Way::default(),
            server_was_connected: false,
            has_restarted: false,
            was_idle: false,
        };
        world.collect();
        world
    }

    /// Begins with another client and nothing on the wire, at the same server.
    pub(crate) fn start_over(&mut self, client: &Client) {
        self.client = connect(client);
        self.server = None;
        (self.to_server, self.to_client) = (Way::default(), Way::default());
        self.server_was_connected = false;
        self.collect();
    }

    pub(crate) fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            ToServer => &mut self.to_server,
            ToClient => &mut self.to_client,
        }
    }

    /// The session that gets what goes this way.
    pub(crate) fn receiver(&mut self, direction: Direction) -> Option<&mut Session> {
        match direction {
            ToServer => self.server.as_mut(),
            ToClient => Some(&mut self.client),
        }
    }

    /// The session that sends what goes this way.
    pub(crate) fn sender(&mut self, direction: Direction) -> Option<&mut Session> {
        match direction {
            ToServer => Some(&mut self.client),
            ToClient => self.server.as_mut(),
        }
    }

    /// How many clients have proved their address.
    pub(crate) fn handshakes_begun(&self) -> u64 {
        self.listener.stats()[Count::HandshakesStarted]
    }

    pub(crate) fn are_connected(&self) -> bool {
        is_connected(Some(&self.client)) && is_connected(self.server.as_ref())
    }

    /// Whether a record of this datagram was ever sent this way.
    pub(crate) fn has_genuine_record(&mut self, direction: Direction, datagram: &[u8]) -> bool {
        let genuine = &self.way(direction).genuine;
        records::records(datagram).any(|record| genuine.contains(record))
    }

    /// Lets a datagram arrive, whoever sent it.
    pub(crate) fn deliver(&mut self, direction: Direction, datagram: &[u8]) {
        let now = clock::now();
        match direction {
            ToClient => self.client.handle_datagram(datagram, now),
            ToServer => match self.server.as_mut().filter(|session| !is_over(session)) {
                Some(session) => session.handle_datagram(datagram, now),
                None => {
                    let peer = ([192, 0, 2, 1], 4242).into();
                    let answers = &mut self.answers;
                    let accepted = self.listener.handle_datagram(peer, datagram, answers, now);
                    if let Accepted::Session(session) = accepted.expect("OpenSSL works") {
                        self.server = Some(*session);
                    }
                }
            },
        }
        self.collect();
    }

    /// Lets the oldest datagram on the wire arrive, and tells whether there was one.
    pub(crate) fn deliver_one(&mut self, direction: Direction) -> bool {
        let datagram = self.way(direction).queue.pop_front();
        if let Some(datagram) = &datagram {
            self.deliver(direction, datagram);
        }
        datagram.is_some()
    }

    /// Lets everything arrive, until both ends are quiet. No time goes by.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.deliver_one(ToServer) && !self.deliver_one(ToClient) {
                return;
            }
        }
        panic!("the two ends never stop talking");
    }

    /// Lets time go by.
    pub(crate) fn wait(&mut self, time: Duration) {
        clock::advance(time);
        self.handle_timeouts();
    }

    fn handle_timeouts(&mut self) {
        let now = clock::now();
        for session in [Some(&mut self.client), self.server.as_mut()].into_iter().flatten() {
            session.handle_timeout(now);
            let next = session.next_timeout();
            assert!(next.is_none_or(|next| next > now), "a timer that is not moved on");
        }
        self.collect();
    }

    /// Lets everything arrive and every timer of a handshake run out.
    pub(crate) fn run(&mut self) {
        for _ in 0..1_000 {
            self.settle();
            let timers = [Some(&self.client), self.server.as_ref()].map(|session| {
                session.filter(|session| session.status() == Status::Handshaking)?.next_timeout()
            });
            let Some(due) = timers.into_iter().flatten().min() else {
                return;
            };
            self.wait(due.saturating_duration_since(clock::now()));
        }
        panic!("the timers never stop");
    }

    /// Sends a packet of `size` bytes that is like no other, if there is a connection.
    pub(crate) fn say(&mut self, direction: Direction, size: usize) {
        let number = self.way(direction).said.len();
        let mut packet = format!("{direction:?} {number} ").into_bytes();
        packet.resize(packet.len().max(size), b'.');
        let sent = self.sender(direction).is_some_and(|session| session.send(&packet).is_ok());
        if sent {
            self.way(direction).said.push(packet);
        }
        self.collect();
    }

    /// Takes what both ends have to send and what they have received, and looks at it.
    pub(crate) fn collect(&mut self) {
        for direction in [ToServer, ToClient] {
            let mut sent: Vec<Vec<u8>> = Vec::new();
            if direction == ToClient {
                sent.extend(self.answers.iter().map(<[u8]>::to_vec));
                self.answers.clear();
            }
            if let Some(session) = self.sender(direction) {
                session.transmit(|datagram| sent.push(datagram.to_vec()));
            }
            assert!(sent.len() <= 64, "{} datagrams at once", sent.len());
            let way = self.way(direction);
            for datagram in sent {
                way.genuine.extend(records::records(&datagram).map(<[u8]>::to_vec));
                way.queue.push_back(datagram.clone());
                way.sent.push(datagram);
            }

            while let Some(packet) = self.receiver(direction).and_then(Session::receive) {
                let way = self.way(direction);
                let said = way.said.iter().position(|said| *said == packet);
                let said = said.unwrap_or_else(|| panic!("nobody said {packet:?}"));
                assert!(way.heard.insert(said), "packet {said} {direction:?} was received twice");
            }
        }
        self.server_was_connected |= is_connected(self.server.as_ref());
        let ending = self.server.as_ref().and_then(Session::ending);
        self.has_restarted |= ending == Some(Ending::Restarted);
        let endings = [self.client.ending(), ending];
        self.was_idle |= endings.iter().any(|it| matches!(it, Some(Ending::Idle(_))));
        for session in [Some(&self.client), self.server.as_ref()].into_iter().flatten() {
            if let Some(failure) = session.failure() {
                check(failure);
            }
        }
    }

    /// Sends a packet each way, which has to arrive.
    pub(crate) fn check_that_packets_pass(&mut self) {
        self.settle();
        for direction in [ToServer, ToClient] {
            self.say(direction, 100);
            self.settle();
            let way = self.way(direction);
            let last = way.said.len() - 1;
            assert!(way.heard.contains(&last), "a packet {direction:?} did not arrive");
        }
    }
}

/// What holds for whatever a stranger brings about.
fn check(failure: &Failure) {
    let text = failure.to_string();
    assert!(!text.contains(char::is_control), "an unprintable text: {text:?}");
    assert!(!matches!(failure, Failure::Internal(_)), "the peer's fault is called ours: {text}");
}

pub(crate) fn is_connected(session: Option<&Session>) -> bool {
    session.is_some_and(|session| session.status() == Status::Connected)
}

pub(crate) fn connect(client: &Client) -> Session {
    let name = client.server_name.clone();
    Session::connect(&client.config, name, clock::now()).expect("OpenSSL works")
}

fn is_over(session: &Session) -> bool {
    matches!(session.status(), Status::Closed | Status::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Rebuild as _;
    use crate::pki::Pki;

    fn connection() -> World {
        crate::begin();
        let pki = Pki::get();
        let client = pki.client.rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
        let mut world = World::new(pki.server.clone(), &client);
        world.run();
        assert!(world.are_connected());
        world.check_that_packets_pass();
        world
    }

    #[test]
    fn every_run_is_the_same() {
        let (mut one, mut other) = (connection(), connection());
        for direction in [ToServer, ToClient] {
            assert_eq!(one.way(direction).sent, other.way(direction).sent, "{direction:?}");
        }
    }

    #[test]
    fn time_passes_when_it_is_told_to() {
        crate::begin();
        let pki = Pki::get();
        let mut world = World::new(pki.server.clone(), &pki.client);
        for _ in 0..5 {
            assert!(world.way(ToServer).queue.drain(..).count() > 0, "a ClientHello, once more");
            // The longest time between two of them.
            world.wait(Duration::from_secs(2));
        }
    }
}
