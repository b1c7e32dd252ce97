//! `netsim relay`: a server's address that clients reach over a bad link.
//!
//! Each client has a link of its own, which has the seed of the relay plus the number of clients that
//! came before it: what becomes of one client's datagrams does not depend on the others. The server
//! sees each client come from a socket of its own.
//!
//! Prints `listening on ADDRESS` at once, and what became of the datagrams so far, as one line of JSON,
//! for each line on its input and at its end. It ends when its input does, with whoever started it, or
//! when its time is over.

use std::collections::HashMap;
use std::io::{self, BufRead, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use netsim::{Burst, Conditions, Direction, Fate, Link, Wire};
use serde_json::{Value, json};

use crate::loopback;

/// Each has a socket and a thread.
const MOST_CLIENTS: usize = 256;
/// The largest UDP datagram.
const LARGEST: usize = 65_507;

#[derive(Args)]
pub(crate) struct Options {
    /// Where clients send to; port 0 lets the system choose
    #[arg(long, value_parser = loopback, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server
    #[arg(long, value_parser = loopback)]
    to: SocketAddr,
    /// Decides about every datagram
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How probable it is that a datagram is lost, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    loss: f64,
    /// Milliseconds that every datagram takes
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Milliseconds that it may take in addition
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// How probable it is that a datagram arrives twice
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    duplication: f64,
    /// How probable it is that a datagram is held back
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    reordering: f64,
    /// Milliseconds that it is held back then
    #[arg(long, default_value_t = 0)]
    held_back_ms: u64,
    /// The part of all datagrams that meets a burst
    #[arg(long, requires = "burst_length", value_parser = probability)]
    burst_share: Option<f64>,
    /// Datagrams in a burst, on average
    #[arg(long, requires = "burst_share")]
    burst_length: Option<f64>,
    /// How probable it is that a datagram is lost in a burst
    #[arg(long, default_value_t = 1.0, value_parser = probability)]
    burst_loss: f64,
    /// Bytes of the largest datagram that gets through
    #[arg(long)]
    largest: Option<usize>,
    /// Seconds after which it ends
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

impl Options {
    fn conditions(&self) -> Conditions {
        let burst = self.burst_share.zip(self.burst_length);
        Conditions {
            loss: self.loss,
            burst: burst.map(|(share, length)| Burst { share, length, loss: self.burst_loss }),
            duplication: self.duplication,
            reordering: self.reordering,
            held_back: Duration::from_millis(self.held_back_ms),
            delay: Duration::from_millis(self.delay_ms),
            jitter: Duration::from_millis(self.jitter_ms),
            largest: self.largest,
        }
    }
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    (0.0..=1.0).contains(&number).then_some(number).ok_or("is not from 0 to 1".to_owned())
}

/// What the relay's threads tell it.
enum Event {
    FromClient(SocketAddr, Vec<u8>),
    /// From the server, to the client of this number.
    FromServer(usize, Vec<u8>),
    /// A line was read: somebody wants to know the counts.
    Asked,
    InputEnded,
    Broken(io::Error),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let front = UdpSocket::bind(options.listen)
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    println!("listening on {}", front.local_addr()?);
    let (sender, events) = channel();
    let front = Arc::new(front);
    receive(Arc::clone(&front), sender.clone(), Event::FromClient);
    read_input(sender.clone());
    let mut relay = Relay {
        to: options.to,
        seed: options.seed,
        conditions: options.conditions(),
        front,
        sender,
        clients: Vec::new(),
        numbers: HashMap::new(),
        counts: [Counts::default(); 2],
    };
    let ended = relay.carry(&events, Instant::now() + Duration::from_secs(options.seconds));
    relay.print_counts()?;
    ended
}

/// Forwards what a socket receives until nobody wants it any more.
fn receive(
    socket: Arc<UdpSocket>,
    events: Sender<Event>,
    event: impl Fn(SocketAddr, Vec<u8>) -> Event + Send + 'static,
) {
    thread::spawn(move || {
        let mut buffer = vec![0; LARGEST];
        loop {
            let event = match socket.recv_from(&mut buffer) {
                Ok((length, from)) => event(from, buffer[..length].to_vec()),
                // Nobody listens at the other end; somebody may, later.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Event::Broken(error),
            };
            let is_over = matches!(event, Event::Broken(_));
            if events.send(event).is_err() || is_over {
                return;
            }
        }
    });
}

fn read_input(events: Sender<Event>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || events.send(Event::Asked).is_err() {
                break;
            }
        }
        // Whoever waited for this may have ended first.
        let _ = events.send(Event::InputEnded);
    });
}

struct Relay {
    to: SocketAddr,
    seed: u64,
    conditions: Conditions,
    front: Arc<UdpSocket>,
    sender: Sender<Event>,
    clients: Vec<Client>,
    numbers: HashMap<SocketAddr, usize>,
    /// One for each [`Direction`].
    counts: [Counts; 2],
}

struct Client {
    address: SocketAddr,
    /// Where the server sees it.
    back: Arc<UdpSocket>,
    wire: Wire,
    /// The highest number that has arrived, in each direction.
    arrived: [Option<u64>; 2],
}

/// What became of the datagrams that went one way.
#[derive(Clone, Copy, Default)]
struct Counts {
    sent: u64,
    lost: u64,
    twice: u64,
    /// Arrived after one that was sent later.
    overtaken: u64,
    /// Bytes of the largest that arrived.
    largest: usize,
}

impl Counts {
    fn json(self) -> Value {
        let Self { sent, lost, twice, overtaken, largest } = self;
        json!({
            "sent": sent, "lost": lost, "twice": twice, "overtaken": overtaken, "largest": largest
        })
    }
}

impl Relay {
    /// Carries datagrams until the input ends or the time is over.
    fn carry(&mut self, events: &Receiver<Event>, end: Instant) -> Result<()> {
        loop {
            self.deliver();
            let next = self.clients.iter().filter_map(|client| client.wire.next_arrival()).min();
            let until = next.map_or(end, |next| next.min(end));
            match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::FromClient(address, bytes)) => {
                    let number = self.number_of(address)?;
                    self.put(number, Direction::ToServer, &bytes);
                }
                Ok(Event::FromServer(number, bytes)) => {
                    self.put(number, Direction::ToClient, &bytes);
                }
                Ok(Event::Asked) => self.print_counts()?,
                Ok(Event::InputEnded) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Event::Broken(error)) => return Err(error).context("a socket failed"),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= end => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The number of the client at `address`, which may be a new one.
    fn number_of(&mut self, address: SocketAddr) -> Result<usize> {
        if let Some(number) = self.numbers.get(&address) {
            return Ok(*number);
        }
        let number = self.clients.len();
        if number == MOST_CLIENTS {
            bail!("more than {MOST_CLIENTS} clients");
        }
        let any_port = SocketAddr::new(self.to.ip(), 0);
        let back = UdpSocket::bind(any_port).context("there is no socket for another client")?;
        back.connect(self.to)?;
        let back = Arc::new(back);
        receive(Arc::clone(&back), self.sender.clone(), move |_, bytes| {
            Event::FromServer(number, bytes)
        });
        let seed = self.seed.wrapping_add(number as u64);
        let wire = Wire::new(Link::new(seed, self.conditions));
        self.clients.push(Client { address, back, wire, arrived: [None; 2] });
        self.numbers.insert(address, number);
        Ok(number)
    }

    /// Puts a datagram on the wire of a client.
    fn put(&mut self, number: usize, direction: Direction, datagram: &[u8]) {
        let (_, fate) = self.clients[number].wire.send(direction, datagram, Instant::now());
        let counts = &mut self.counts[direction as usize];
        counts.sent += 1;
        counts.lost += u64::from(fate == Fate::Lost);
        counts.twice += u64::from(matches!(fate, Fate::Twice(..)));
    }

    /// Sends on what has arrived by now.
    fn deliver(&mut self) {
        for client in &mut self.clients {
            while let Some(arrival) = client.wire.receive(Instant::now()) {
                // An error is about an earlier datagram, or loses this one, as a network may.
                let _ = match arrival.direction {
                    Direction::ToServer => client.back.send(&arrival.bytes),
                    Direction::ToClient => self.front.send_to(&arrival.bytes, client.address),
                };
                let counts = &mut self.counts[arrival.direction as usize];
                let highest = &mut client.arrived[arrival.direction as usize];
                counts.overtaken += u64::from(*highest > Some(arrival.number));
                counts.largest = counts.largest.max(arrival.bytes.len());
                *highest = (*highest).max(Some(arrival.number));
            }
        }
    }

    fn print_counts(&self) -> Result<()> {
        let [to_server, to_client] = self.counts.map(Counts::json);
        let clients = self.clients.len();
        let counts = json!({ "clients": clients, "to_server": to_server, "to_client": to_client });
        let mut out = io::stdout().lock();
        writeln!(out, "{counts}").and_then(|()| out.flush()).context("nobody reads the counts")
    }
}
