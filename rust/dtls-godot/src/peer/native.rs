//! A client's own socket, and the addresses at which its server may be.
//!
//! 1. It begins with the first address. One that the system cannot send to is passed over at once.
//! 2. As long as nothing has come from an address for a second, the next has its turn, with a ClientHello of its own;
//!    after the last comes the first again. The session ends it when it gives up.
//! 3. The one that has answered is the server's from then on.
//!
//! What comes from anywhere else is dropped.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dtls_core::Session;
use dtls_net::{Broken, Sent, Socket, Transmit};
use godot::global::Error;

use crate::engine::udp::DATAGRAMS_PER_CALL;

/// How long an address may be silent before the next has its turn. The ClientHello has gone out twice or more by
/// then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Room for any datagram.
const LARGEST: usize = 65_535;

pub(crate) struct Native {
    socket: Socket,
    server: SocketAddr,
    /// What has its turn after that address, in order.
    others: VecDeque<IpAddr>,
    /// When the turn of that address is over, if it does not answer.
    until: Instant,
    /// Nothing was sent to that address yet.
    is_new: bool,
}

impl Native {
    /// Looks for the server at these addresses, in that order; `None` if there is none. What stands there twice is
    /// left out.
    pub(crate) fn new(
        socket: Socket,
        addresses: &[IpAddr],
        port: u16,
        now: Instant,
    ) -> Option<Self> {
        let mut others = VecDeque::new();
        for address in addresses.iter().map(IpAddr::to_canonical) {
            if !others.contains(&address) {
                others.push_back(address);
            }
        }
        let server = SocketAddr::new(others.pop_front()?, port);
        Some(Self { socket, server, others, until: now + PATIENCE, is_new: true })
    }

    /// Gives the session what has come from its server, or else has the next address take its turn when it is time.
    pub(crate) fn receive(&mut self, session: &mut Session, now: Instant) {
        thread_local! {
            static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }

        let mut buffer = BUFFER.take();
        buffer.resize(LARGEST, 0);
        let received = self.receive_into(&mut buffer, session, now);
        BUFFER.set(buffer);
        if let Err(broken) = received {
            close(session, &broken);
        }
        if now >= self.until {
            self.turn_to_next(session, now);
        }
    }

    fn receive_into(
        &mut self,
        buffer: &mut [u8],
        session: &mut Session,
        now: Instant,
    ) -> Result<(), Broken> {
        for _ in 0..DATAGRAMS_PER_CALL {
            if session.is_full() {
                break;
            }
            let Some(datagram) = self.socket.receive(buffer)? else {
                break;
            };
            // A whole address of IPv6 has a scope, which the one that was asked for has not.
            let from = (datagram.peer.ip(), datagram.peer.port());
            if from == (self.server.ip(), self.server.port()) {
                session.handle_datagram(datagram.bytes, now);
            }
        }
        Ok(())
    }

    /// Sends what the session has to send; the last error, if there was one.
    pub(crate) fn send(&mut self, session: &mut Session, now: Instant) -> Error {
        let mut sent = self.transmit(session);
        for _ in 0..self.others.len() {
            if !mem::take(&mut self.is_new) || sent != Error::FAILED {
                break;
            }
            self.turn_to_next(session, now);
            sent = self.transmit(session);
        }
        self.is_new = false;
        sent
    }

    fn transmit(&mut self, session: &mut Session) -> Error {
        let (mut result, mut broken) = (Error::OK, None);
        session.transmit(|bytes| {
            match self.socket.send(&Transmit { peer: self.server, local: None, bytes }) {
                Ok(Sent::Sent) => {}
                Ok(Sent::Lost) => result = Error::FAILED,
                Ok(Sent::WouldBlock) => result = Error::ERR_BUSY,
                Err(error) => broken = Some(error),
            }
        });
        if let Some(broken) = broken {
            close(session, &broken);
            return Error::ERR_UNCONFIGURED;
        }
        result
    }

    /// Has the next address take its turn, if nothing was heard from this one.
    fn turn_to_next(&mut self, session: &mut Session, now: Instant) {
        if !session.is_unanswered() {
            return;
        }
        let Some(next) = self.others.pop_front() else {
            return;
        };
        log::debug!("no answer from {}; now {next} has its turn", self.server.ip());
        self.others.push_back(self.server.ip());
        self.server.set_ip(next);
        self.until = now + PATIENCE;
        self.is_new = true;
        session.start_over(now);
    }
}

fn close(session: &mut Session, broken: &Broken) {
    log::debug!("{broken}");
    session.transport_closed();
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::thread;

    use dtls_core::{
        Accepted, ClientConfig, Count, Datagrams, Listener, Psk, PskKeys, ServerConfig, Status,
    };
    use dtls_net::BindAddress;

    use super::*;

    const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// Nothing is sent there by a socket that was not told to.
    const IMPOSSIBLE: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::BROADCAST), IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255))];
    const KEY: [u8; 32] = [7; 32];

    /// A server with room for one client, whose time is the real one.
    struct Server {
        listener: Listener,
        socket: UdpSocket,
        session: Option<Session>,
    }

    impl Server {
        fn new() -> Self {
            let keys = PskKeys::new();
            keys.set("player", &KEY).expect("a key");
            let config = ServerConfig::builder().with_psk_keys(keys).build().expect("usable");
            let listener = Listener::new(config, Instant::now()).expect("OpenSSL works");
            let socket = UdpSocket::bind((SERVER, 0)).expect("a free port");
            socket.set_nonblocking(true).expect("a socket");
            Self { listener, socket, session: None }
        }

        fn port(&self) -> u16 {
            self.socket.local_addr().expect("a socket").port()
        }

        /// Answers what has come, and says how much that was.
        fn poll(&mut self) -> usize {
            let mut buffer = [0; 2048];
            let mut count = 0;
            while let Ok((length, peer)) = self.socket.recv_from(&mut buffer) {
                count += 1;
                let (datagram, now) = (&buffer[..length], Instant::now());
                let mut answers = Datagrams::new();
                match &mut self.session {
                    Some(session) => session.handle_datagram(datagram, now),
                    None => {
                        let accepted =
                            self.listener.handle_datagram(peer, datagram, &mut answers, now);
                        if let Accepted::Session(session) = accepted.expect("OpenSSL works") {
                            self.session = Some(*session);
                        }
                    }
                }
                for answer in answers.iter() {
                    self.socket.send_to(answer, peer).expect("sent");
                }
                if let Some(session) = &mut self.session {
                    session.transmit(|answer| {
                        self.socket.send_to(answer, peer).expect("sent");
                    });
                }
            }
            count
        }
    }

    struct Client {
        native: Native,
        session: Session,
        now: Instant,
        /// What came of its first datagram.
        sent: Error,
    }

    impl Client {
        fn new(addresses: &[IpAddr], port: u16) -> Self {
            let psk = Psk::new("player", &KEY).expect("a key");
            let config = ClientConfig::with_psk(psk).build().expect("usable");
            let now = Instant::now();
            let mut session = Session::connect(&config, None, now).expect("OpenSSL works");
            let socket = Socket::bind(BindAddress::Any, 0).expect("a free port");
            let mut native = Native::new(socket, addresses, port, now).expect("there are some");
            let sent = native.send(&mut session, now);
            Self { native, session, now, sent }
        }

        /// What `Peer` does in a frame.
        fn poll(&mut self) {
            self.native.receive(&mut self.session, self.now);
            if self.session.next_timeout().is_some() {
                self.session.handle_timeout(self.now);
            }
            self.native.send(&mut self.session, self.now);
        }

        fn pass(&mut self, milliseconds: u64) {
            self.now += Duration::from_millis(milliseconds);
            self.poll();
        }

        fn server(&self) -> IpAddr {
            self.native.server.ip()
        }

        /// Where a stranger can send it something.
        fn address(&self) -> SocketAddr {
            SocketAddr::new(SERVER, self.native.socket.local_addr().port())
        }
    }

    /// Lets both talk until that is so. The client's time stands still.
    fn until(client: &mut Client, server: &mut Server, is_so: impl Fn(&Client, &Server) -> bool) {
        for _ in 0..5000 {
            server.poll();
            client.poll();
            if is_so(client, server) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{:?}, at {}", client.session, client.server());
    }

    fn both_connected(client: &Client, server: &Server) -> bool {
        let connected = |session: &Session| session.status() == Status::Connected;
        connected(&client.session) && server.session.as_ref().is_some_and(connected)
    }

    #[test]
    fn the_next_address_has_its_turn_after_a_second_of_silence() {
        let mut server = Server::new();
        let silent = UdpSocket::bind((SILENT, server.port())).expect("the same port there");
        silent.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        let mut client = Client::new(&[SILENT, SERVER], server.port());
        silent.recv(&mut [0; 2048]).expect("it begins there");

        client.pass(999);
        assert_eq!(client.server(), SILENT, "repeated, but not given up");
        client.pass(1);
        assert_eq!(client.server(), SERVER);
        until(&mut client, &mut server, both_connected);
        client.session.send(b"hello").expect("connected");
        until(&mut client, &mut server, |_, server| {
            server.session.as_ref().is_some_and(|session| session.received() == 1)
        });
    }

    #[test]
    fn after_the_last_address_comes_the_first_again() {
        // A port that nobody listens on, as far as this test can know.
        let port = Server::new().port();
        let mut client = Client::new(&[SILENT, SERVER], port);
        for turn in [SERVER, SILENT, SERVER, SILENT, SERVER, SILENT, SERVER, SILENT, SERVER] {
            client.pass(1000);
            assert_eq!(client.server(), turn);
        }
        client.pass(1000);
        let failure = client.session.failure().map(ToString::to_string).unwrap_or_default();
        assert!(failure.starts_with("the handshake timed out after 10 s"), "{failure}");
    }

    #[test]
    fn an_address_that_has_answered_is_kept() {
        let mut server = Server::new();
        let mut client = Client::new(&[SERVER, SILENT], server.port());
        // It asks for the cookie, and then is gone.
        until(&mut client, &mut server, |client, _| !client.session.is_unanswered());
        for _ in 0..20 {
            client.pass(1000);
            assert_eq!(client.server(), SERVER);
        }
        assert_eq!(client.session.status(), Status::Handshaking, "it has 30 s");
        until(&mut client, &mut server, both_connected);
    }

    #[test]
    fn addresses_that_nothing_can_be_sent_to_are_passed_over_at_once() {
        let mut server = Server::new();
        let [first, second] = IMPOSSIBLE;
        let mut client = Client::new(&[first, second, SERVER], server.port());
        assert_eq!((client.server(), client.sent), (SERVER, Error::OK));
        until(&mut client, &mut server, both_connected);
    }

    #[test]
    fn a_client_without_a_network_tries_each_address_once_a_second() {
        let mut client = Client::new(&IMPOSSIBLE, 4242);
        let sent = |client: &Client| client.session.stats()[Count::DatagramsSent];
        assert_eq!((sent(&client), client.sent), (2, Error::FAILED));
        assert_eq!(client.server(), IMPOSSIBLE[1]);
        client.pass(999);
        let before = sent(&client);
        client.pass(1);
        assert_eq!(sent(&client), before + 2);
        assert_eq!(client.server(), IMPOSSIBLE[1]);
        assert_eq!(client.session.status(), Status::Handshaking, "there may be one soon");
    }

    #[test]
    fn one_address_is_kept() {
        let silent = UdpSocket::bind((SILENT, 0)).expect("a free port");
        silent.set_nonblocking(true).expect("a socket");
        let port = silent.local_addr().expect("a socket").port();
        let mut client = Client::new(&[SILENT, SILENT], port);
        for _ in 0..9 {
            client.pass(1000);
            assert_eq!(client.server(), SILENT);
            thread::sleep(Duration::from_millis(50));
        }
        client.pass(1000);
        assert_eq!(client.session.status(), Status::Failed);
        let mut hellos = Vec::new();
        let mut buffer = [0; 2048];
        while let Ok(length) = silent.recv(&mut buffer) {
            let is_hello = buffer[0] == 22;
            // Behind the record's number.
            hellos.extend(is_hello.then(|| buffer[11..length].to_vec()));
        }
        assert!(hellos.len() > 1, "it is repeated");
        assert!(hellos.iter().all(|hello| *hello == hellos[0]), "and stays the same");
    }

    #[test]
    fn what_a_stranger_sends_changes_nothing() {
        // A handshake_failure, which ends a handshake if the server sends it.
        let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
        let mut server = Server::new();
        let mut client = Client::new(&[SERVER], server.port());
        let strangers = [(SERVER, 0), (SILENT, server.port())];
        for stranger in strangers.map(|it| UdpSocket::bind(it).expect("a free port")) {
            stranger.send_to(&alert, client.address()).expect("sent");
        }
        thread::sleep(Duration::from_millis(50));
        client.poll();
        assert_eq!(client.session.status(), Status::Handshaking);
        assert_eq!(client.session.stats()[Count::DatagramsReceived], 0);

        let connecting = UdpSocket::bind((SERVER, 0)).expect("a free port");
        until(&mut client, &mut server, both_connected);
        let received = client.session.stats()[Count::DatagramsReceived];
        connecting.send_to(&alert, client.address()).expect("sent");
        thread::sleep(Duration::from_millis(50));
        client.poll();
        assert_eq!(client.session.stats()[Count::DatagramsReceived], received);

        let mut client = Client::new(&[SERVER], server.port());
        server.socket.send_to(&alert, client.address()).expect("sent");
        until(&mut client, &mut Server::new(), |client, _| {
            client.session.status() == Status::Failed
        });
    }

    #[test]
    fn one_call_takes_no_more_than_its_share() {
        let server = Server::new();
        let mut client = Client::new(&[SERVER], server.port());
        // Some systems have room for fewer, and lose the others.
        for _ in 0..DATAGRAMS_PER_CALL * 3 / 2 {
            server.socket.send_to(&[0], client.address()).expect("sent");
        }
        thread::sleep(Duration::from_millis(50));
        client.poll();
        let received = client.session.stats()[Count::DatagramsReceived];
        assert!((1..=DATAGRAMS_PER_CALL as u64).contains(&received), "{received}");
    }

    #[test]
    fn addresses_stand_there_once_and_in_order() {
        let mapped = |address: Ipv4Addr| IpAddr::V6(address.to_ipv6_mapped());
        let addresses = [SILENT, SERVER, mapped(Ipv4Addr::LOCALHOST), SILENT, IMPOSSIBLE[0]];
        let socket = Socket::bind(BindAddress::Any, 0).expect("a free port");
        let native = Native::new(socket, &addresses, 4242, Instant::now()).expect("there are some");
        assert_eq!(native.server, SocketAddr::new(SILENT, 4242));
        assert_eq!(native.others, [SERVER, IMPOSSIBLE[0]]);
        let socket = Socket::bind(BindAddress::Any, 0).expect("a free port");
        assert!(Native::new(socket, &[], 4242, Instant::now()).is_none());
    }
}
