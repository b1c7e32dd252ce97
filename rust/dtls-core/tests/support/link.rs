//! A link in memory between two ends, with a place to lose, repeat, reorder or change datagrams.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dtls_core::{Accepted, Datagrams, Failure, Listener, ServerConfig, Session, Status};

use super::{clock, pki};

/// One end of a link.
pub(crate) trait End {
    /// Takes in a datagram.
    fn handle(&mut self, datagram: &[u8]);
    /// Everything that has to be sent.
    fn take(&mut self) -> Vec<Vec<u8>>;
    /// When its timer runs out.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
    /// Does what the timer asks for.
    fn handle_timeout(&mut self) {}
}

impl End for Session {
    fn handle(&mut self, datagram: &[u8]) {
        self.handle_datagram(datagram, clock::now());
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        self.transmit(|datagram| datagrams.push(datagram.to_vec()));
        datagrams
    }

    fn next_timeout(&self) -> Option<Instant> {
        Session::next_timeout(self)
    }

    fn handle_timeout(&mut self) {
        Session::handle_timeout(self, clock::now());
    }
}

/// A server with room for one client: a listener until there is a session.
pub(crate) struct Server {
    pub(crate) listener: Listener,
    pub(crate) session: Option<Session>,
    pub(crate) peer: SocketAddr,
    answers: Datagrams,
}

impl Server {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self {
            listener: listener(config),
            session: None,
            peer: address("192.0.2.1:4242"),
            answers: Datagrams::new(),
        }
    }

    /// The same server, with room for the next client.
    pub(crate) fn vacated(self) -> Self {
        Self { session: None, ..self }
    }

    /// The session, which has to be there.
    pub(crate) fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("the server has a session by now")
    }
}

impl End for Server {
    fn handle(&mut self, datagram: &[u8]) {
        match &mut self.session {
            Some(session) => session.handle(datagram),
            None => {
                let (peer, answers) = (self.peer, &mut self.answers);
                let accepted = self.listener.handle_datagram(peer, datagram, answers, clock::now());
                if let Accepted::Session(session) = accepted.expect("OpenSSL works") {
                    self.session = Some(*session);
                }
            }
        }
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams: Vec<_> = self.answers.iter().map(<[u8]>::to_vec).collect();
        self.answers.clear();
        datagrams.extend(self.session.iter_mut().flat_map(End::take));
        datagrams
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.session.as_ref()?.next_timeout()
    }

    fn handle_timeout(&mut self) {
        self.session.iter_mut().for_each(End::handle_timeout);
    }
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

pub(crate) use Direction::{ToClient, ToServer};

/// A datagram on its way.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    /// How many went the same way before it.
    pub(crate) number: usize,
    pub(crate) bytes: Vec<u8>,
}

/// Makes of what one end sends in one go what the other end gets.
pub(crate) type Weather = Box<dyn FnMut(Direction, Vec<Passing>) -> Vec<Vec<u8>>>;

/// A client and a server.
pub(crate) struct Link<C, S> {
    pub(crate) client: C,
    pub(crate) server: S,
    weather: Weather,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// What was sent and when, whatever became of it.
    pub(crate) sent: Vec<(Direction, Duration, Vec<u8>)>,
}

impl Link<Session, Server> {
    /// A client that has not been heard yet.
    pub(crate) fn new(server: &ServerConfig, client: &pki::Client) -> Self {
        Self::between(connect(client), Server::new(server))
    }

    /// Two ends that are connected.
    pub(crate) fn established(server: &ServerConfig, client: &pki::Client) -> Self {
        let mut link = Self::new(server, client);
        link.run();
        link.assert_connected();
        link
    }

    /// Why `server` refuses `client`, having told it by `alert`.
    pub(crate) fn refusal(server: &ServerConfig, client: &pki::Client, alert: u8) -> Failure {
        let mut link = Self::new(server, client);
        link.run();
        assert_eq!(link.server.session().status(), Status::Failed, "the server");
        assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(alert)), "the alert");
        assert_eq!(clock::elapsed().as_millis(), 0, "both know at once");
        let failure = link.server.session().failure().expect("a reason").clone();
        let stats = link.server.listener.stats();
        assert_eq!(stats[failure.reason()], 1, "it is counted");
        failure
    }

    pub(crate) fn assert_connected(&mut self) {
        assert_eq!(self.client.failure(), None, "the client's failure");
        assert_eq!(self.client.status(), Status::Connected, "the client");
        assert_eq!(self.server.session().failure(), None, "the server's failure");
        assert_eq!(self.server.session().status(), Status::Connected, "the server");
    }

    /// Puts `client` in place of this one, at the same server.
    pub(crate) fn start_over(&mut self, client: Session) {
        self.client = client;
        self.server.session = None;
        self.to_server.clear();
        self.to_client.clear();
        self.sent.clear();
    }

    /// Sends packets in both directions and checks that they come out, and nothing else.
    pub(crate) fn assert_data_flows(&mut self) {
        assert_eq!(packets(&mut self.client), Vec::<Vec<u8>>::new(), "left over at the client");
        assert_eq!(packets(self.server.session()), Vec::<Vec<u8>>::new(), "left over");
        self.client.send(b"from the client").expect("connected");
        self.server.session().send(b"from the server").expect("connected");
        self.settle();
        assert_eq!(packets(&mut self.client), [b"from the server"]);
        assert_eq!(packets(self.server.session()), [b"from the client"]);
    }
}

impl<C: End, S: End> Link<C, S> {
    /// A link in good weather.
    pub(crate) fn between(client: C, server: S) -> Self {
        Self {
            client,
            server,
            weather: Box::new(|_, datagrams| datagrams.into_iter().map(|it| it.bytes).collect()),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// From here on, `weather` decides.
    pub(crate) fn weather(
        &mut self,
        weather: impl FnMut(Direction, Vec<Passing>) -> Vec<Vec<u8>> + 'static,
    ) {
        self.weather = Box::new(weather);
    }

    /// From here on, `change` makes of each datagram what arrives: none, one or more.
    pub(crate) fn each(
        &mut self,
        mut change: impl FnMut(Direction, &Passing) -> Vec<Vec<u8>> + 'static,
    ) {
        self.weather(move |direction, datagrams| {
            datagrams.iter().flat_map(|datagram| change(direction, datagram)).collect()
        });
    }

    /// From here on, what `lost` says is lost.
    pub(crate) fn lose(&mut self, mut lost: impl FnMut(Direction, &Passing) -> bool + 'static) {
        self.each(move |direction, datagram| {
            if lost(direction, datagram) { Vec::new() } else { vec![datagram.bytes.clone()] }
        });
    }

    /// Puts a datagram on the wire that no end has sent.
    pub(crate) fn inject(&mut self, direction: Direction, datagram: &[u8]) {
        match direction {
            ToServer => self.to_server.push_back(datagram.to_vec()),
            ToClient => self.to_client.push_back(datagram.to_vec()),
        }
    }

    /// Puts on the wire what both ends want to send.
    pub(crate) fn collect(&mut self) {
        for direction in [ToServer, ToClient] {
            let sent = match direction {
                ToServer => self.client.take(),
                ToClient => self.server.take(),
            };
            if sent.is_empty() {
                continue;
            }
            let before = self.sent.iter().filter(|it| it.0 == direction).count();
            for bytes in &sent {
                self.sent.push((direction, clock::elapsed(), bytes.clone()));
            }
            let sent = sent.into_iter().enumerate();
            let passing = sent.map(|(index, bytes)| Passing { number: before + index, bytes });
            let arriving = (self.weather)(direction, passing.collect());
            match direction {
                ToServer => self.to_server.extend(arriving),
                ToClient => self.to_client.extend(arriving),
            }
        }
    }

    /// Lets the oldest datagram on the wire arrive, and tells whether there was one.
    pub(crate) fn deliver_one(&mut self) -> bool {
        self.collect();
        if let Some(datagram) = self.to_server.pop_front() {
            self.server.handle(&datagram);
        } else if let Some(datagram) = self.to_client.pop_front() {
            self.client.handle(&datagram);
        } else {
            return false;
        }
        true
    }

    /// Lets everything arrive, until both ends are quiet. No time goes by.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.deliver_one() {
                return;
            }
        }
        panic!("the two ends never stop talking");
    }

    /// Moves the time to the next timer and lets it run out. `false` when none is set.
    pub(crate) fn next_timer(&mut self) -> bool {
        let timers = [self.client.next_timeout(), self.server.next_timeout()];
        let Some(due) = timers.into_iter().flatten().min() else {
            return false;
        };
        clock::advance(due.saturating_duration_since(clock::now()));
        self.client.handle_timeout();
        self.server.handle_timeout();
        true
    }

    /// Goes on until no timer is set any more: both ends are connected, or have ended.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            self.settle();
            if !self.next_timer() {
                return;
            }
        }
        panic!("the timers never stop");
    }

    /// The datagrams that went one way.
    pub(crate) fn sent(&self, direction: Direction) -> Vec<&[u8]> {
        let sent = self.sent.iter().filter(|it| it.0 == direction);
        sent.map(|(_, _, bytes)| bytes.as_slice()).collect()
    }
}

/// A client whose ClientHello waits to be sent.
pub(crate) fn connect(client: &pki::Client) -> Session {
    Session::connect(&client.config, client.server_name.clone(), clock::now())
        .expect("OpenSSL works")
}

/// A server's listener.
pub(crate) fn listener(config: &ServerConfig) -> Listener {
    Listener::new(config.clone(), clock::now()).expect("OpenSSL works")
}

/// A literal socket address.
pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("a literal address")
}

/// Every packet that waits in `session`.
pub(crate) fn packets(session: &mut Session) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| session.receive()).collect()
}

/// A connection.
pub(crate) fn established() -> Link<Session, Server> {
    Link::established(&pki::localhost(), &pki::verifying())
}

/// A link whose server has a flight of several datagrams.
pub(crate) fn wide() -> Link<Session, Server> {
    let mut profile = test_pki::Profile::localhost();
    for number in 0..60 {
        profile = profile.dns(format!("server-{number}.some-long-name.example"));
    }
    let issued = pki::ROOT.intermediate("Between").issue(profile);
    Link::new(&pki::server(&issued), &pki::verifying())
}

/// The datagram that carries `packet` from `session`, kept from its way.
pub(crate) fn sealed(session: &mut Session, packet: &[u8]) -> Vec<u8> {
    session.send(packet).expect("connected");
    let mut datagrams = session.take();
    assert_eq!(datagrams.len(), 1);
    datagrams.remove(0)
}
