//! A DTLS server on one socket, for one thread that plays the game.
//!
//! ```text
//!  game thread                        I/O thread                          handshake workers
//!  Server::poll   ◄── Inbox ────── receive, route, decrypt ──── queue ──► cookies, handshakes
//!  Server::send   ─── Outbox ────► encrypt, send           ◄── results ──
//! ```
//!
//! Whatever goes from one thread to another goes in whole batches, under a lock that is held for as long as it takes to
//! swap two buffers. All of it is bounded; what does not fit is dropped and counted ([`ServerCounters`]).
//!
//! With [`Threads::none`], [`Server::poll`] does all of it, by the same code.

mod bell;
mod io;
mod mailbox;
mod workers;

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use dtls_core::{
    Backlog, Bundle, Client, Endpoint, EndpointStats, Event, MAX_PACKET, OpenSslError, SendError,
    ServerConfig, Stats,
};
use parking_lot::Mutex;

use crate::{BindAddress, BindError, BufferSizes, Socket};
use io::Io;
use mailbox::{Command, Mailbox};
use workers::Workers;

pub use mailbox::ServerCounters;

/// The threads of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(usize);

impl Threads {
    /// One for the socket, and two for handshakes.
    pub const MOST: usize = 3;

    /// None: everything is done by the thread that polls.
    pub const fn none() -> Self {
        Self(0)
    }

    /// So many, at most [`Threads::MOST`]: the first does everything, further ones do the handshakes.
    pub fn new(number: usize) -> Self {
        Self(number.min(Self::MOST))
    }

    /// As many as pay on this machine: none on one core, and one less than there are cores at most.
    pub fn of_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match cores {
            1 => Self(0),
            2 | 3 => Self(2),
            _ => Self(3),
        }
    }

    /// How many there are.
    pub fn number(self) -> usize {
        self.0
    }
}

/// Where a server listens, and for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// The addresses that it listens on.
    pub address: BindAddress,
    /// The UDP port, or 0 for a free one.
    pub port: u16,
    /// The most clients at a time.
    pub max_peers: usize,
    /// The threads.
    pub threads: Threads,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no socket to listen on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// OpenSSL failed.
    #[error(transparent)]
    OpenSsl(#[from] OpenSslError),
    /// The system gave no thread.
    #[error("the system gave no thread for the server: {0}")]
    Thread(#[source] std::io::Error),
}

/// A server that listens. It stops when it is dropped, and tells its clients.
pub struct Server {
    mailbox: Arc<Mailbox>,
    stats: EndpointStats,
    local_port: u16,
    buffer_sizes: BufferSizes,
    /// What [`Server::poll`] has taken: packets, of which so many have been handed out, and events.
    packets: Bundle<Client>,
    handed_out: usize,
    events: Vec<Event>,
    stopper: Arc<Stopper>,
}

/// Stops a server, from any thread, whoever has it.
pub struct Stopper {
    mailbox: Arc<Mailbox>,
    /// Of a server without threads: who polls does the work.
    io: Option<Arc<Mutex<Io>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Stopper {
    /// Ends all connections, tells the clients, and waits for the threads, which takes some milliseconds. The server
    /// is of no use any more.
    pub fn stop(&self) {
        self.mailbox.command(Command::Stop);
        if let Some(io) = &self.io {
            io.lock().turn_without_waiting();
        }
        for thread in self.threads.lock().drain(..) {
            // What it panicked with was reported when it did.
            let _panicked = thread.join();
        }
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the port or the address cannot be had, and when the system has no thread to give.
    pub fn start(config: ServerConfig, options: ServerOptions) -> Result<Self, StartError> {
        let socket = Socket::bind(options.address, options.port)?;
        let (local_port, buffer_sizes) = (socket.local_addr().port(), socket.buffer_sizes());
        let received = Arc::new(Backlog::new(options.max_peers));
        let mut endpoint = Endpoint::new(config, Arc::clone(&received), Instant::now())?;
        let stats = endpoint.stats();
        let threads = options.threads.number();
        let waker = (threads > 0).then(|| socket.waker());
        let mailbox = Arc::new(Mailbox::new(received, waker));
        let workers = match threads.saturating_sub(1) {
            0 => None,
            parts => Some(Workers::new(endpoint.take_handshakes(parts), &mailbox)),
        };
        let (workers, parts) = match workers {
            Some((workers, parts)) => (Some(workers), parts),
            None => (None, Vec::new()),
        };
        let mut io = Io::new(socket, endpoint, workers, Arc::clone(&mailbox));
        let stopper = if threads == 0 {
            let io = Some(Arc::new(Mutex::new(io)));
            Stopper { mailbox: Arc::clone(&mailbox), io, threads: Mutex::default() }
        } else {
            let stopper =
                Stopper { mailbox: Arc::clone(&mailbox), io: None, threads: Mutex::default() };
            let started = stopper.spawn("dtls-io", move || io.run()).and_then(|()| {
                parts
                    .into_iter()
                    .try_for_each(|mut part| stopper.spawn("dtls-handshakes", move || part.run()))
            });
            if let Err(error) = started {
                stopper.stop();
                return Err(error);
            }
            stopper
        };
        Ok(Self {
            mailbox,
            stats,
            local_port,
            buffer_sizes,
            packets: Bundle::default(),
            handed_out: 0,
            events: Vec::new(),
            stopper: Arc::new(stopper),
        })
    }

    /// What stops it from elsewhere.
    pub fn stopper(&self) -> &Arc<Stopper> {
        &self.stopper
    }

    /// The port that it listens on.
    pub fn local_port(&self) -> u16 {
        self.local_port
    }

    /// How much the system lets wait for it. [`BufferSizes::warning`] is a sentence about it.
    pub fn buffer_sizes(&self) -> BufferSizes {
        self.buffer_sizes
    }

    /// Takes what has come since the last time. Packets that were not handed out yet stay in front.
    ///
    /// # Errors
    /// Once, when the socket or a thread has failed: then the server is of no use any more, and all of its clients are
    /// gone.
    pub fn poll(&mut self) -> Result<(), String> {
        if let Some(io) = &self.stopper.io {
            io.lock().turn_without_waiting();
        }
        match self.waiting() {
            0 => self.packets.clear(),
            _ => self.packets.discard(self.handed_out),
        }
        self.handed_out = 0;
        self.mailbox.take_received(&mut self.packets, &mut self.events)
    }

    /// What [`Server::poll`] has taken: who has come and gone.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.events.drain(..)
    }

    /// How many packets [`Server::receive`] has.
    pub fn waiting(&self) -> usize {
        self.packets.len() - self.handed_out
    }

    /// The packets that [`Server::receive`] has.
    pub fn packets(&self) -> impl Iterator<Item = (Client, &[u8])> {
        self.packets.iter().skip(self.handed_out).map(|(client, packet)| (*client, packet))
    }

    /// Whose packet is next.
    pub fn next_client(&self) -> Option<Client> {
        self.packets.get(self.handed_out).map(|(client, _)| *client)
    }

    /// The oldest packet that was taken.
    pub fn receive(&mut self) -> Option<(Client, &[u8])> {
        let (client, packet) = self.packets.get(self.handed_out)?;
        self.handed_out += 1;
        self.mailbox.received.remove(client.slot, packet.len());
        Some((*client, packet))
    }

    /// Gives all packets that were taken to `hand_out`. They count as waiting until [`Server::read`] says otherwise.
    pub fn distribute(&mut self, mut hand_out: impl FnMut(Client, &[u8])) {
        for (client, packet) in self.packets.iter().skip(self.handed_out) {
            hand_out(*client, packet);
        }
        self.handed_out = self.packets.len();
    }

    /// What sends to clients, for any thread.
    pub fn sender(&self) -> Sender {
        let io = self.stopper.io.as_ref().map_or_else(Weak::new, Arc::downgrade);
        Sender { mailbox: Arc::clone(&self.mailbox), io }
    }

    /// Uses `config` for the clients to come, as [`Endpoint::set_config`].
    pub fn set_config(&self, config: ServerConfig) {
        self.mailbox.command(Command::SetConfig(Box::new(config)));
    }

    /// What was counted about clients and packets.
    pub fn stats(&self) -> Stats {
        self.stats.get()
    }

    /// What was counted about the socket and between the threads.
    pub fn counters(&self) -> ServerCounters {
        self.mailbox.counters()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("local_port", &self.local_port).finish_non_exhaustive()
    }
}

impl Stopper {
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let mailbox = Arc::clone(&self.mailbox);
        let guarded = move || {
            let guard = mailbox::Guard::new(mailbox);
            work();
            guard.done();
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(guarded);
        self.threads.lock().push(thread.map_err(StartError::Thread)?);
        Ok(())
    }
}

/// Sends to the clients of a server, from any thread, also when the server is gone.
#[derive(Clone)]
pub struct Sender {
    mailbox: Arc<Mailbox>,
    /// Of a server without threads.
    io: Weak<Mutex<Io>>,
}

impl Sender {
    /// Queues a packet of at most [`MAX_PACKET`] bytes for a client, until [`Sender::flush`]. An empty one is not sent:
    /// DTLS has no way to tell it from none. One for a client that is gone is lost.
    ///
    /// # Errors
    /// When it is too large, and when 1 MiB waits for this client or 64 MiB for all of them.
    pub fn queue(&self, client: Client, packet: &[u8]) -> Result<(), SendError> {
        if packet.len() > MAX_PACKET {
            return Err(SendError::TooLarge);
        }
        if packet.is_empty() || self.mailbox.queue(client, packet) {
            return Ok(());
        }
        Err(SendError::QueueFull)
    }

    /// Lets what was queued be sent.
    pub fn flush(&self) {
        match self.io.upgrade() {
            Some(io) => io.lock().send(),
            None => self.mailbox.ring(),
        }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// As [`Sender::queue`].
    pub fn send(&self, client: Client, packet: &[u8]) -> Result<(), SendError> {
        let queued = self.queue(client, packet);
        self.flush();
        queued
    }

    /// Ends the connection of a client when what was sent to it before is underway.
    pub fn disconnect(&self, client: Client) {
        self.mailbox.command(Command::Disconnect(client));
        self.flush();
    }

    /// A packet that [`Server::distribute`] handed out has been read.
    pub fn read(&self, client: Client, bytes: usize) {
        self.mailbox.received.remove(client.slot, bytes);
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
