//! One connection over a bad link, from its first datagram to its last, in virtual time.
//!
//! 1. The client starts its handshake. Whatever either side sends goes over the [`Wire`]; time moves to
//!    the next arrival or timer.
//! 2. Each side that calls itself connected sends its packets, one every [`Setup::pause`].
//! 3. Once nothing is on its way and no timer runs, it is checked what the two sides have come to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dtls_core::{Failure, ServerConfig, Session, Status};
use netsim::{Arrival, Direction, Fate, Link, Wire};

use super::link::{self as memory, End, Server, connect};
use super::pki::Rebuild as _;
use super::{clock, pki, records};

/// The alert with which a side gives up.
const USER_CANCELED: u8 = 90;

/// What takes part, and what it has to say.
pub(crate) struct Setup {
    pub(crate) server: ServerConfig,
    pub(crate) client: pki::Client,
    /// How many packets each side sends once it is connected.
    pub(crate) packets: u64,
    /// Bytes of each packet, at least 8.
    pub(crate) size: usize,
    /// The time between two of them.
    pub(crate) pause: Duration,
    /// Whether the two have met before, over a good link, and resume their session.
    pub(crate) resumes: bool,
}

/// What a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Both sides are connected, and every packet that arrived was received once. The handshake is
    /// over when the client has the server's Finished: the server is done before.
    Connected {
        /// How long the client's handshake took.
        took: Duration,
        /// Datagrams that were sent to the server until then.
        to_server: u64,
        /// Datagrams that were sent to the client until then.
        to_client: u64,
    },
    /// One side gave up when its time was over, and the other did not stay behind in a handshake.
    TimedOut,
}

/// Runs one connection over `link`. With `trace`, prints every datagram.
///
/// # Errors
/// Says what is wrong when it ends in a way that no link may bring about.
pub(crate) fn run(setup: &Setup, link: Link, trace: bool) -> Result<Outcome, String> {
    Simulation::new(setup, link, trace).run()
}

/// What one side says to the other.
#[derive(Default)]
struct Talk {
    /// When the side that talks became connected.
    since: Option<Instant>,
    said: u64,
    /// The packets by the number of their datagram.
    carried: BTreeMap<u64, u64>,
    /// What arrived when the other side was connected.
    delivered: BTreeSet<u64>,
    received: Vec<u64>,
}

struct Simulation<'a> {
    setup: &'a Setup,
    client: Session,
    server: Server,
    wire: Wire,
    start: Instant,
    to_server: Talk,
    to_client: Talk,
    /// What was on the wire when the client's handshake was over.
    handshake: Option<Outcome>,
    trace: bool,
}

impl<'a> Simulation<'a> {
    fn new(setup: &'a Setup, link: Link, trace: bool) -> Self {
        // A session of its own, so that the runs do not depend on each other.
        let config =
            setup.client.clone().rebuild(|it| it.with_resumption(true)).expect("OpenSSL works");
        let mut server = Server::new(&setup.server);
        if setup.resumes {
            let mut link = memory::Link::between(connect(&config), server);
            link.run();
            server = link.server.vacated();
        }
        Self {
            setup,
            client: connect(&config),
            server,
            wire: Wire::new(link),
            start: clock::now(),
            to_server: Talk::default(),
            to_client: Talk::default(),
            handshake: None,
            trace,
        }
    }

    fn run(mut self) -> Result<Outcome, String> {
        for _ in 0..100_000 {
            self.transmit();
            self.note_progress();
            self.talk()?;
            if let Some(arrival) = self.wire.receive(clock::now()) {
                self.arrive(&arrival)?;
                continue;
            }
            let events = [
                self.wire.next_arrival(),
                self.client.next_timeout(),
                self.server.next_timeout(),
                self.next_packet(Direction::ToServer),
                self.next_packet(Direction::ToClient),
            ];
            let Some(next) = events.into_iter().flatten().min() else {
                return self.verdict();
            };
            clock::advance(next.saturating_duration_since(clock::now()));
            self.client.handle_timeout(clock::now());
            self.server.handle_timeout();
        }
        Err("it never ends".to_owned())
    }

    /// Puts on the wire what both sides want to send.
    fn transmit(&mut self) {
        for direction in Direction::BOTH {
            for datagram in self.take(direction) {
                self.put(direction, &datagram);
            }
        }
    }

    fn take(&mut self, direction: Direction) -> Vec<Vec<u8>> {
        match direction {
            Direction::ToServer => self.client.take(),
            Direction::ToClient => self.server.take(),
        }
    }

    fn put(&mut self, direction: Direction, datagram: &[u8]) -> u64 {
        let (number, fate) = self.wire.send(direction, datagram, clock::now());
        if self.trace {
            let at = clock::now().duration_since(self.start).as_micros() as f64 / 1000.0;
            let what = describe(datagram);
            println!("{at:9.1} ms {direction:?} #{number} {what}: {}", outlook(fate));
        }
        number
    }

    fn note_progress(&mut self) {
        let now = clock::now();
        if self.client.status() == Status::Connected && self.handshake.is_none() {
            self.to_server.since = Some(now);
            self.handshake = Some(Outcome::Connected {
                took: now - self.start,
                to_server: self.wire.sent(Direction::ToServer),
                to_client: self.wire.sent(Direction::ToClient),
            });
        }
        let server = self.server.session.as_ref().map(Session::status);
        if server == Some(Status::Connected) && self.to_client.since.is_none() {
            self.to_client.since = Some(now);
        }
    }

    fn talk_of(&mut self, direction: Direction) -> &mut Talk {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// When a side has its next packet to send.
    fn next_packet(&mut self, direction: Direction) -> Option<Instant> {
        let (packets, pause) = (self.setup.packets, self.setup.pause);
        let talk = self.talk_of(direction);
        let nth = u32::try_from(talk.said).ok().filter(|_| talk.said < packets)?;
        talk.since.map(|since| since + pause * nth)
    }

    /// Sends the packets that are due.
    fn talk(&mut self) -> Result<(), String> {
        for direction in Direction::BOTH {
            while self.next_packet(direction).is_some_and(|due| due <= clock::now()) {
                let index = self.talk_of(direction).said;
                let packet = packet(index, self.setup.size);
                let sender = match direction {
                    Direction::ToServer => &mut self.client,
                    Direction::ToClient => self.server.session(),
                };
                sender.send(&packet).map_err(|error| format!("packet {index}: {error}"))?;
                let datagrams = self.take(direction);
                let [datagram] = datagrams.as_slice() else {
                    return Err(format!("{} datagrams for a packet", datagrams.len()));
                };
                let number = self.put(direction, datagram);
                let talk = self.talk_of(direction);
                talk.said += 1;
                talk.carried.insert(number, index);
            }
        }
        Ok(())
    }

    fn arrive(&mut self, arrival: &Arrival) -> Result<(), String> {
        let Arrival { direction, number, bytes } = arrival;
        let was_connected = match direction {
            Direction::ToServer => {
                let session = self.server.session.as_ref();
                let connected = session.is_some_and(|it| it.status() == Status::Connected);
                self.server.handle(bytes);
                connected
            }
            Direction::ToClient => {
                let connected = self.client.status() == Status::Connected;
                self.client.handle(bytes);
                connected
            }
        };
        let receiver = match direction {
            Direction::ToServer => self.server.session.as_mut(),
            Direction::ToClient => Some(&mut self.client),
        };
        let packets: Vec<Vec<u8>> = receiver
            .map(|session| std::iter::from_fn(|| session.receive()).collect())
            .unwrap_or_default();
        let size = self.setup.size;
        let talk = self.talk_of(*direction);
        if let Some(index) = talk.carried.get(number).filter(|_| was_connected) {
            talk.delivered.insert(*index);
        }
        for received in packets {
            let index = (0..talk.said).find(|index| packet(*index, size) == received);
            let index = index.ok_or_else(|| format!("nobody sent {received:?}"))?;
            talk.received.push(index);
        }
        Ok(())
    }

    /// What it all came to, when nothing will happen any more.
    fn verdict(self) -> Result<Outcome, String> {
        let server = self.server.session.as_ref();
        let failures = (self.client.failure(), server.and_then(Session::failure));
        match (self.handshake, self.client.status(), server.map(Session::status)) {
            (Some(handshake), Status::Connected, Some(Status::Connected)) => {
                if self.client.is_resumed() != self.setup.resumes {
                    return Err("a session should be resumed, and only then".to_owned());
                }
                check_packets(Direction::ToServer, &self.to_server)?;
                check_packets(Direction::ToClient, &self.to_client)?;
                return Ok(handshake);
            }
            // In a resumed handshake the client has the last word. If that is lost for good, it is the
            // client that cannot know.
            (Some(_), Status::Connected, Some(Status::Failed)) if self.setup.resumes => {
                let timed_out = matches!(failures.1, Some(Failure::TimedOut { .. }));
                let outcome = timed_out.then_some(Outcome::TimedOut);
                return outcome.ok_or_else(|| format!("the server failed: {:?}", failures.1));
            }
            (None, Status::Failed, _) => {}
            other => return Err(format!("{other:?}, failures {failures:?}")),
        }
        let (Some(Failure::TimedOut { .. }), server_failure) = failures else {
            return Err(format!("the client did not time out: {failures:?}"));
        };
        // The server has never had a cookie back; or has waited in vain too; or was told by the
        // client that it gave up; or is done, since only its own Finished was lost: then it cannot
        // know, and it is for the idle timeout to find out.
        match (server.map(Session::status), server_failure) {
            (None | Some(Status::Connected), None)
            | (
                Some(Status::Failed),
                Some(Failure::TimedOut { .. } | Failure::PeerAlert(USER_CANCELED)),
            ) => Ok(Outcome::TimedOut),
            other => Err(format!("the client timed out, and the server is {other:?}")),
        }
    }
}

/// Every packet at most once, and those that arrived at a connected side exactly once.
fn check_packets(direction: Direction, talk: &Talk) -> Result<(), String> {
    let received: BTreeSet<u64> = talk.received.iter().copied().collect();
    if received.len() < talk.received.len() {
        return Err(format!("{direction:?}: a packet came twice: {:?}", talk.received));
    }
    if let Some(missing) = talk.delivered.difference(&received).next() {
        return Err(format!("{direction:?}: packet {missing} arrived and was not received"));
    }
    Ok(())
}

/// A packet that cannot be taken for another.
fn packet(index: u64, size: usize) -> Vec<u8> {
    let mut packet = index.to_be_bytes().to_vec();
    packet.resize(size, u8::try_from(index % 251).unwrap_or_default());
    packet
}

fn outlook(fate: Fate) -> String {
    match fate {
        Fate::Lost => "lost".to_owned(),
        Fate::Arrives(after) => format!("after {after:.1?}"),
        Fate::Twice(one, other) => format!("after {one:.1?} and {other:.1?}"),
    }
}

/// The records of a datagram that was sent, as `epoch/number type`, for people.
fn describe(datagram: &[u8]) -> String {
    let records = records::split(datagram).into_iter().map(|record| {
        let number = u64::from_be_bytes([
            0, 0, record[5], record[6], record[7], record[8], record[9], record[10],
        ]);
        let what = match (records::content(record), records::message(record)) {
            (records::HANDSHAKE, Some(records::CLIENT_HELLO)) => "ClientHello",
            (records::HANDSHAKE, Some(records::SERVER_HELLO)) => "ServerHello",
            (records::HANDSHAKE, Some(records::HELLO_VERIFY_REQUEST)) => "HelloVerifyRequest",
            (records::HANDSHAKE, Some(records::CERTIFICATE)) => "Certificate",
            (records::HANDSHAKE, Some(12)) => "ServerKeyExchange",
            (records::HANDSHAKE, Some(14)) => "ServerHelloDone",
            (records::HANDSHAKE, Some(16)) => "ClientKeyExchange",
            (records::HANDSHAKE, _) => "Finished",
            (records::CHANGE_CIPHER_SPEC, _) => "ChangeCipherSpec",
            (records::ALERT, _) => "alert",
            _ => "data",
        };
        format!("{}/{number} {what}", records::epoch(record))
    });
    format!("{} bytes [{}]", datagram.len(), records.collect::<Vec<_>>().join(", "))
}
