//! A server, and clients with sockets of their own.
#![allow(dead_code, reason = "not every test program uses all of it")]

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dtls_core::{
    Certificates, Client, ClientConfig, Event, Identity, PeerName, ServerConfig, Session, Status,
    Trust, TrustAnchors, Verification,
};
use dtls_net::{BindAddress, Server, ServerOptions, Threads};
use socket2::SockRef;
use test_pki::{Authority, Profile};

/// A machine with ten times the load needs less.
pub(crate) const LONG: Duration = Duration::from_secs(60);

static ROOT: LazyLock<Authority> = LazyLock::new(|| Authority::root("Test Root"));

pub(crate) fn config() -> ServerConfig {
    let issued = ROOT.issue(Profile::localhost());
    let chain = Certificates::parse(issued.chain_pem().as_bytes()).expect("certificates");
    let identity =
        Identity::new(issued.key_pem.as_bytes(), chain).expect("a key and its certificate");
    ServerConfig::builder().with_identity(identity).build().expect("a usable configuration")
}

fn client_config() -> ClientConfig {
    let root = Certificates::parse(ROOT.cert_pem().as_bytes()).expect("a certificate");
    let anchors = TrustAnchors::new(&root).expect("a certificate");
    let verification = Verification::ChainAndName(Trust::from(anchors));
    ClientConfig::with_verification(verification).build().expect("a usable configuration")
}

/// A server on a free port of the loopback.
pub(crate) fn server(config: ServerConfig, threads: usize, max_peers: usize) -> Server {
    let address = BindAddress::One(Ipv4Addr::LOCALHOST.into());
    let threads = Threads::new(threads);
    Server::start(config, ServerOptions { address, port: 0, max_peers, threads })
        .expect("a free port")
}

/// A client.
pub(crate) struct Player {
    pub(crate) socket: UdpSocket,
    pub(crate) session: Session,
    pub(crate) received: Vec<Vec<u8>>,
}

impl Player {
    pub(crate) fn new(port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.connect((Ipv4Addr::LOCALHOST, port)).expect("the loopback");
        socket.set_nonblocking(true).expect("a socket");
        // As much as the system allows: a player reads seldom here.
        SockRef::from(&socket).set_recv_buffer_size(4 << 20).expect("a buffer");
        Self { socket, session: begin(), received: Vec::new() }
    }

    /// Starts again from the same address.
    pub(crate) fn start_again(&mut self) {
        self.session = begin();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    pub(crate) fn poll(&mut self) {
        let mut buffer = [0; 65536];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => self.session.handle_datagram(&buffer[..length], Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The server is gone; Windows has another word for it.
                Err(error)
                    if [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset]
                        .contains(&error.kind()) =>
                {
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.session.handle_timeout(Instant::now());
        while let Some(packet) = self.session.receive() {
            self.received.push(packet);
        }
        self.transmit();
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.session.send(packet).expect("it is connected");
        self.transmit();
    }

    fn transmit(&mut self) {
        let socket = &self.socket;
        self.session.transmit(|datagram| {
            let _lost = socket.send(datagram);
        });
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.status() == Status::Connected
    }
}

/// A client that begins to connect.
pub(crate) fn begin() -> Session {
    let name = PeerName::parse("localhost").expect("a host name");
    Session::connect(&client_config(), Some(name), Instant::now()).expect("OpenSSL works")
}

/// A server and its players, and what the server has seen of them.
pub(crate) struct Game {
    pub(crate) server: Server,
    pub(crate) players: Vec<Player>,
    /// By the address of the player.
    pub(crate) clients: BTreeMap<SocketAddr, Client>,
    pub(crate) ended: Vec<(Client, String)>,
    pub(crate) received: Vec<(Client, Vec<u8>)>,
}

impl Game {
    pub(crate) fn new(server: Server, players: usize) -> Self {
        let port = server.local_port();
        Self {
            server,
            players: (0..players).map(|_| Player::new(port)).collect(),
            clients: BTreeMap::new(),
            ended: Vec::new(),
            received: Vec::new(),
        }
    }

    /// One with all players connected.
    pub(crate) fn begun(server: Server, players: usize) -> Self {
        let mut game = Self::new(server, players);
        game.until("all are connected", |game| {
            game.clients.len() == players && game.players.iter().all(Player::is_connected)
        });
        game
    }

    pub(crate) fn client(&self, player: usize) -> Client {
        self.clients[&self.players[player].address()]
    }

    /// One frame of everybody.
    pub(crate) fn frame(&mut self) {
        self.players.iter_mut().for_each(Player::poll);
        self.frame_of_server();
    }

    pub(crate) fn frame_of_server(&mut self) {
        self.server.poll().expect("the server works");
        for event in self.server.events() {
            match event {
                Event::Connected(client, address, _) => {
                    self.clients.insert(address, client);
                }
                Event::Disconnected(client, ended) => self.ended.push((client, ended.to_string())),
            }
        }
        while let Some((client, packet)) = self.server.receive() {
            let packet = packet.to_vec();
            self.received.push((client, packet));
        }
    }

    /// Plays until something is so.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < LONG, "not in time: {what}");
            self.frame();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
