//! The connections of one UDP socket, without the socket.
//!
//! An [`Endpoint`] is given the datagrams that arrive, each with its [`Path`], and fills an [`Output`]: what is to be
//! sent, which clients have come and gone, and their packets. It routes a datagram by its address to one of two
//! places:
//!
//! - **Connections.** A client that is connected has a slot here. Its datagrams are decrypted at once.
//! - **[`Handshakes`].** Every other address. They can be taken out of the endpoint, so that other threads do their
//!   work, which is most of what a stranger can cause: the endpoint then leaves what is for them in
//!   [`Output::unconnected`], and takes what they come to with [`Endpoint::take_results`].
//!
//! An address that moves from the second to the first is *handed over*: datagrams that were underway to the handshakes
//! come back from there, until [`Handshakes::confirm`] says that the endpoint has the session.
//!
//! The client of a connection can start again, mostly after a crash. Its ClientHello goes to the handshakes, which
//! run the new one beside the connection; the connection ends when the new one is admitted, and the new one is
//! connected in the same moment.

mod backlog;
mod bundle;
mod connections;
mod handshakes;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::ServerConfig;
use crate::handshake::cookie_exchange::ServerState;
use crate::handshake::session::{Ending, SendError, Session};
use crate::report::error::OpenSslError;
use crate::report::failure::Failure;
use crate::report::stats::{Stats, StatsRegistry};

pub use backlog::Backlog;
pub use bundle::Bundle;
use connections::Connections;
pub use handshakes::{HandshakeResults, Handshakes};

/// The way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address of this machine that it sends to, from which answers have to leave; `None` where the system chooses.
    pub local: Option<IpAddr>,
}

/// A connected client: a number that is never used again, and its place in a [`Backlog`], which is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client {
    /// 1 for the first client, then up.
    pub id: u32,
    /// Below the most clients that there may be.
    pub slot: u32,
}

/// A datagram of an address that is not connected, for [`Handshakes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconnected {
    /// Where it came from.
    pub path: Path,
    /// When the connection of that address began, if there is one and the client may be starting again.
    pub connected_since: Option<Instant>,
}

/// A session that several threads may look at. The endpoint's thread is the one that works with it.
#[derive(Debug)]
pub struct SharedSession(Mutex<Session>);

impl SharedSession {
    fn new(session: Session) -> Arc<Self> {
        Arc::new(Self(Mutex::new(session)))
    }

    /// The session. The endpoint's thread waits as long as the guard is kept, and all players with it.
    pub fn lock(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has come and gone.
#[derive(Debug)]
pub enum Event {
    /// A client is connected.
    Connected(Client, SocketAddr, Arc<SharedSession>),
    /// A connection is over. The packets that came before are in the output.
    Disconnected(Client, Ended),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// As it should, or for a reason that is no failure.
    #[error(transparent)]
    Ending(#[from] Ending),
    /// It failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// What an endpoint has come to, for its owner to take. The owner empties it and gives it to the next call.
#[derive(Debug, Default)]
pub struct Output {
    /// Datagrams to be sent.
    pub transmits: Bundle<Path>,
    /// Who has come and gone, oldest first.
    pub events: Vec<Event>,
    /// Packets of clients, oldest first.
    pub packets: Bundle<Client>,
    /// Datagrams for [`Handshakes`] that run elsewhere; empty otherwise.
    pub unconnected: Bundle<Unconnected>,
    /// Addresses for [`Handshakes::confirm`], where those run elsewhere, behind [`Output::unconnected`].
    pub confirmed: Vec<SocketAddr>,
}

/// The connections of one UDP socket.
#[derive(Debug)]
pub struct Endpoint {
    connections: Connections,
    /// `None` while others run them.
    handshakes: Option<Handshakes>,
    results: HandshakeResults,
    stats: Arc<StatsRegistry>,
}

impl Endpoint {
    /// An endpoint for at most so many clients at a time. The packets of its clients wait in `backlog`, which has a
    /// place for each.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn new(
        config: ServerConfig,
        backlog: Arc<Backlog>,
        now: Instant,
    ) -> Result<Self, OpenSslError> {
        let most = NonZeroUsize::new(backlog.places()).unwrap_or(NonZeroUsize::MIN);
        let server = ServerState::new(&config, Some(most), now)?;
        let stats = Arc::clone(&server.stats);
        Ok(Self {
            connections: Connections::new(backlog, stats.register()),
            handshakes: Some(Handshakes::new(config, server)),
            results: HandshakeResults::default(),
            stats,
        })
    }

    /// Takes the handshakes out, to be run elsewhere: in so many parts, at least one. All datagrams of one address
    /// have to go to the same part.
    pub fn take_handshakes(&mut self, parts: usize) -> Vec<Handshakes> {
        let Some(first) = self.handshakes.take() else {
            return Vec::new();
        };
        let mut all: Vec<_> = (1..parts).map(|_| first.another()).collect();
        all.push(first);
        all
    }

    /// Uses `config` for the clients to come, as [`Handshakes::set_config`] does, which is for those elsewhere.
    pub fn set_config(&mut self, config: ServerConfig) {
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.set_config(config);
        }
    }

    /// Handles a datagram.
    pub fn handle_datagram(
        &mut self,
        path: Path,
        datagram: &[u8],
        now: Instant,
        output: &mut Output,
    ) {
        self.connections.handle_datagram(path, datagram, now, output);
        self.run_handshakes(now, output);
    }

    /// Takes what handshakes elsewhere have come to.
    pub fn take_results(
        &mut self,
        results: &mut HandshakeResults,
        now: Instant,
        output: &mut Output,
    ) {
        self.connections.take_results(results, now, output);
        self.run_handshakes(now, output);
    }

    /// Lets the handshakes go on with what is for them, if they are here.
    fn run_handshakes(&mut self, now: Instant, output: &mut Output) {
        let Some(handshakes) = &mut self.handshakes else {
            return;
        };
        while !output.unconnected.is_empty() || !output.confirmed.is_empty() {
            for (unconnected, datagram) in output.unconnected.iter() {
                handshakes.handle_datagram(*unconnected, datagram, now, &mut self.results);
            }
            output.unconnected.clear();
            output.confirmed.drain(..).for_each(|peer| handshakes.confirm(peer));
            self.connections.take_results(&mut self.results, now, output);
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, output: &mut Output) {
        self.connections.handle_timeout(now, output);
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.handle_timeout(now, &mut self.results);
            self.connections.take_results(&mut self.results, now, output);
            self.run_handshakes(now, output);
        }
    }

    /// When [`Endpoint::handle_timeout`] may have something to do; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        let handshakes = self.handshakes.as_ref().and_then(Handshakes::next_timeout);
        self.connections.next_timeout().into_iter().chain(handshakes).min()
    }

    /// Encrypts a packet for a client. One to a client that is gone is lost without an error, as one underway would
    /// be.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn send(&mut self, id: u32, packet: &[u8], output: &mut Output) -> Result<(), SendError> {
        self.connections.send(id, packet, output)
    }

    /// Ends the connection of a client, which is told.
    pub fn disconnect(&mut self, id: u32, output: &mut Output) {
        self.connections.disconnect(id, output);
    }

    /// Ends all connections. The clients are told.
    pub fn disconnect_all(&mut self, output: &mut Output) {
        self.connections.disconnect_all(output);
    }

    /// Ends all connections since the socket is gone.
    pub fn transport_closed(&mut self, output: &mut Output) {
        self.connections.transport_closed(output);
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        self.connections.len()
    }

    /// What can be asked for the statistics from any thread.
    pub fn stats(&self) -> EndpointStats {
        EndpointStats(Arc::clone(&self.stats))
    }
}

/// The statistics of an endpoint, its handshakes and all of its sessions, also those that are gone.
#[derive(Debug, Clone)]
pub struct EndpointStats(Arc<StatsRegistry>);

impl EndpointStats {
    /// What was counted up to now.
    pub fn get(&self) -> Stats {
        self.0.total()
    }
}
