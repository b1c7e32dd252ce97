//! A connection that a listener has: its I/O thread works with the session, and the game has its packets.

use std::sync::Arc;

use dtls_core::{Bundle, Client, Ended, Ending, Failure, SendError, SharedSession};
use dtls_net::Sender;

/// The game's side of one client of a listener.
pub(crate) struct Listened {
    client: Client,
    pub(super) session: Arc<SharedSession>,
    sender: Sender,
    received: Bundle<()>,
    /// How many of those have been handed out.
    handed_out: usize,
    /// `None` as long as it is connected, as far as the game knows.
    ended: Option<Ended>,
    /// Whether the connection ends with the peer. A peer of `get_peer` only looks at it.
    is_owner: bool,
    pub(super) max_packet_size: usize,
}

impl Listened {
    pub(crate) fn new(
        client: Client,
        session: Arc<SharedSession>,
        sender: Sender,
        is_owner: bool,
    ) -> Self {
        let max_packet_size = session.lock().max_packet_size();
        Self {
            client,
            session,
            sender,
            received: Bundle::default(),
            handed_out: 0,
            ended: None,
            is_owner,
            max_packet_size,
        }
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.ended {
            Some(Ended::Failure(failure)) => Some(failure),
            _ => None,
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    /// A packet of the client is there to be read.
    pub(super) fn deliver(&mut self, packet: &[u8]) {
        if self.handed_out == self.received.len() {
            self.received.clear();
            self.handed_out = 0;
        }
        self.received.push((), packet);
    }

    pub(super) fn received(&self) -> usize {
        self.received.len() - self.handed_out
    }

    /// The oldest packet, which stays where it is until the next one is delivered.
    pub(super) fn receive(&mut self) -> Option<&[u8]> {
        let ((), packet) = self.received.get(self.handed_out)?;
        self.handed_out += 1;
        self.sender.read(self.client, packet.len());
        Some(packet)
    }

    pub(super) fn send(&self, packet: &[u8]) -> Result<(), SendError> {
        match self.ended {
            Some(_) => Err(SendError::NotConnected),
            None => self.sender.send(self.client, packet),
        }
    }

    /// Ends the connection.
    pub(super) fn disconnect(&mut self) {
        if self.ended.is_none() {
            self.sender.disconnect(self.client);
            self.ended = Some(Ending::Closed.into());
        }
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        if self.is_owner {
            self.disconnect();
            // What was not read does not wait any more.
            while self.receive().is_some() {}
        }
    }
}
