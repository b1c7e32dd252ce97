//! A listener that listens.

use std::collections::VecDeque;
use std::sync::Arc;

use dtls_core::{Client, Ended, Ending, Event, SendError, ServerConfig, SharedSession, Stats};
use dtls_net::{Sender, Server, ServerCounters, ServerOptions, StartError, Stopper};
use rustc_hash::FxHashMap;

use crate::engine::handles::{Entry, Registered};
use crate::peer::{Listened, PeerHandle};

/// Something that has happened to a player.
pub(crate) enum Signal {
    Connected(u32),
    Disconnected(u32, String),
}

/// The two ways to use a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    OneObject,
    PeerEach,
}

/// A server and its players.
pub(super) struct Running {
    server: Server,
    sender: Sender,
    /// `None` before the first call that is of one way.
    usage: Option<Usage>,
    players: FxHashMap<u32, Player>,
    /// With a peer each: those that were not taken.
    available: VecDeque<Registered<PeerHandle>>,
}

struct Player {
    client: Client,
    session: Arc<SharedSession>,
    /// The peer that has the packets, or one that looks at the connection.
    peer: Option<Arc<Entry<PeerHandle>>>,
}

impl Running {
    pub(super) fn start(config: ServerConfig, options: ServerOptions) -> Result<Self, StartError> {
        let server = Server::start(config, options)?;
        let sender = server.sender();
        Ok(Self {
            server,
            sender,
            usage: None,
            players: FxHashMap::default(),
            available: VecDeque::new(),
        })
    }

    pub(super) fn stopper(&self) -> &Arc<Stopper> {
        self.server.stopper()
    }

    pub(super) fn local_port(&self) -> u16 {
        self.server.local_port()
    }

    pub(super) fn warning(&self) -> Option<String> {
        self.server.buffer_sizes().warning()
    }

    pub(super) fn stats(&self) -> (Stats, ServerCounters) {
        (self.server.stats(), self.server.counters())
    }

    pub(super) fn set_config(&self, config: ServerConfig) {
        self.server.set_config(config);
    }

    /// Whether it is used in this way, which is decided by the first call.
    pub(super) fn is_used(&mut self, usage: Usage) -> bool {
        if self.usage.is_none() {
            self.usage = Some(usage);
            if usage == Usage::PeerEach {
                let mut ids: Vec<u32> = self.players.keys().copied().collect();
                ids.sort_unstable();
                ids.into_iter().for_each(|id| self.make_available(id));
                self.distribute();
            }
        }
        self.usage == Some(usage)
    }

    /// Takes what has arrived.
    ///
    /// # Errors
    /// When the server is of no use any more.
    pub(super) fn poll(&mut self, signals: &mut Vec<Signal>) -> Result<(), String> {
        let result = self.server.poll();
        let events: Vec<Event> = self.server.events().collect();
        let mut ended = Vec::new();
        for event in events {
            match event {
                Event::Connected(client, _, session) => {
                    self.players.insert(client.id, Player { client, session, peer: None });
                    if self.usage == Some(Usage::PeerEach) {
                        self.make_available(client.id);
                    }
                    signals.push(Signal::Connected(client.id));
                }
                Event::Disconnected(client, why) => {
                    signals.push(Signal::Disconnected(client.id, why.to_string()));
                    ended.push((client, why));
                }
            }
        }
        if self.usage == Some(Usage::PeerEach) {
            self.distribute();
        }
        for (client, why) in ended {
            if let Some(peer) = self.players.remove(&client.id).and_then(|player| player.peer) {
                peer.with((), |peer| peer.end(why));
            }
        }
        result
    }

    /// Gives the packets to the peers of their players.
    fn distribute(&mut self) {
        let (players, sender) = (&self.players, &self.sender);
        self.server.distribute(|client, packet| {
            let peer = players.get(&client.id).and_then(|player| player.peer.as_ref());
            // The game may have freed its peer.
            let is_delivered =
                peer.is_some_and(|peer| peer.with(false, |peer| peer.deliver(packet)));
            if !is_delivered {
                sender.read(client, packet.len());
            }
        });
    }

    fn new_peer(&mut self, id: u32, is_owner: bool) -> Option<Registered<PeerHandle>> {
        let player = self.players.get_mut(&id)?;
        let listened = Listened::new(
            player.client,
            Arc::clone(&player.session),
            self.sender.clone(),
            is_owner,
        );
        let registered = Registered::<PeerHandle>::default();
        let entry = registered.entry();
        entry.with((), |peer| peer.listen(listened));
        player.peer = Some(entry);
        Some(registered)
    }

    fn make_available(&mut self, id: u32) {
        if let Some(registered) = self.new_peer(id, true) {
            self.available.push_back(registered);
        }
    }

    pub(super) fn is_connection_available(&self) -> bool {
        !self.available.is_empty()
    }

    pub(super) fn take_connection(&mut self) -> Option<Registered<PeerHandle>> {
        self.available.pop_front()
    }

    /// A peer that looks at a connection.
    pub(super) fn look_at(&mut self, id: i64) -> Option<Registered<PeerHandle>> {
        self.new_peer(u32::try_from(id).ok()?, false)
    }

    pub(super) fn disconnect(&mut self, id: i64) {
        if let Some(player) = u32::try_from(id).ok().and_then(|id| self.players.get(&id)) {
            self.sender.disconnect(player.client);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.server.waiting()
    }

    pub(super) fn next_client(&self) -> Option<Client> {
        self.server.next_client()
    }

    pub(super) fn packets(&self) -> impl Iterator<Item = (Client, &[u8])> {
        self.server.packets()
    }

    pub(super) fn receive(&mut self) -> Option<&[u8]> {
        self.server.receive().map(|(_, packet)| packet)
    }

    /// Queues a packet for a player until [`Running::flush`].
    pub(super) fn queue(&self, id: i64, packet: &[u8]) -> Result<(), SendError> {
        let player = u32::try_from(id).ok().and_then(|id| self.players.get(&id));
        let player = player.ok_or(SendError::NotConnected)?;
        self.sender.queue(player.client, packet)
    }

    pub(super) fn flush(&self) {
        self.sender.flush();
    }

    /// Ends everything, also for peers that the game has.
    pub(super) fn stop(self) {
        drop(self.server);
        for player in self.players.into_values() {
            if let Some(peer) = player.peer {
                peer.with((), |peer| peer.end(Ended::Ending(Ending::Closed)));
            }
        }
    }
}
