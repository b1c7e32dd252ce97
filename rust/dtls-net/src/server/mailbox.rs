//! What the threads of a server leave for each other.

use std::sync::Arc;

use dtls_core::{Backlog, Bundle, Client, Event, HandshakeResults, ServerConfig};
use parking_lot::Mutex;

use super::bell::Bell;
use crate::{Counters, Waker};

/// What went wrong with single datagrams. These only go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCounters {
    /// What the system did not do with the socket.
    pub socket: Counters,
    /// Datagrams that were not sent since the send buffer was full for too long.
    pub unsent: u64,
    /// Datagrams of addresses without a connection that were dropped since too many waited for the handshake workers.
    pub handshake_queue_full: u64,
    /// Packets of the game that were refused since too many waited to be encrypted.
    pub send_queue_full: u64,
}

/// For the I/O thread.
pub(super) enum Command {
    Disconnect(Client),
    SetConfig(Box<ServerConfig>),
    Stop,
}

/// Between the game's thread, the I/O thread and the handshake workers.
pub(super) struct Mailbox {
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
    results: Mutex<HandshakeResults>,
    counters: Mutex<ServerCounters>,
    /// The packets of clients that the game has not read.
    pub(super) received: Arc<Backlog>,
    /// The game's packets that have not been encrypted.
    sent: Backlog,
    /// For the I/O thread.
    bell: Bell,
    /// `None` without an I/O thread.
    waker: Option<Waker>,
}

/// From the I/O thread to the game.
#[derive(Default)]
struct Inbox {
    events: Vec<Event>,
    packets: Bundle<Client>,
    broken: Option<String>,
}

/// From the game to the I/O thread. Commands are for after the packets.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) packets: Bundle<Client>,
    pub(super) commands: Vec<Command>,
}

impl Mailbox {
    pub(super) fn new(received: Arc<Backlog>, waker: Option<Waker>) -> Self {
        Self {
            inbox: Mutex::default(),
            outbox: Mutex::default(),
            results: Mutex::default(),
            counters: Mutex::default(),
            sent: Backlog::new(received.places()),
            received,
            bell: Bell::default(),
            waker,
        }
    }

    /// Wakes the I/O thread, unless it has been woken already and will look.
    pub(super) fn ring(&self) {
        if let Some(waker) = &self.waker
            && self.bell.ring()
            && let Err(error) = waker.wake()
        {
            self.fail(&error.to_string());
        }
    }

    /// The I/O thread looks now: whatever comes later wakes it again.
    pub(super) fn looks(&self) {
        self.bell.silence();
    }

    /// Leaves a packet for the I/O thread, if there is room. The bell is to be rung for it.
    pub(super) fn queue(&self, client: Client, packet: &[u8]) -> bool {
        let has_room = self.sent.add(client.slot, packet.len());
        if has_room {
            self.outbox.lock().packets.push(client, packet);
        } else {
            self.count(|counters| counters.send_queue_full += 1);
        }
        has_room
    }

    pub(super) fn command(&self, command: Command) {
        self.outbox.lock().commands.push(command);
        self.ring();
    }

    /// Swaps what the game has left for what is in `taken`, which is empty.
    pub(super) fn take_sent(&self, taken: &mut Outbox) {
        std::mem::swap(&mut *self.outbox.lock(), taken);
        for (client, packet) in taken.packets.iter() {
            self.sent.remove(client.slot, packet.len());
        }
    }

    /// Leaves something for the game.
    pub(super) fn publish(&self, events: &mut Vec<Event>, packets: &mut Bundle<Client>) {
        if events.is_empty() && packets.is_empty() {
            return;
        }
        let mut inbox = self.inbox.lock();
        inbox.events.append(events);
        inbox.packets.append(packets);
    }

    /// Takes what is there for the game, behind what is in `packets` already.
    ///
    /// # Errors
    /// When something has failed, once.
    pub(super) fn take_received(
        &self,
        packets: &mut Bundle<Client>,
        events: &mut Vec<Event>,
    ) -> Result<(), String> {
        let mut inbox = self.inbox.lock();
        events.append(&mut inbox.events);
        if packets.is_empty() {
            std::mem::swap(&mut inbox.packets, packets);
        } else {
            packets.append(&mut inbox.packets);
        }
        inbox.broken.take().map_or(Ok(()), Err)
    }

    /// Leaves what handshakes have come to for the I/O thread.
    pub(super) fn publish_results(&self, results: &mut HandshakeResults) {
        if !results.is_empty() {
            self.results.lock().append(results);
            self.ring();
        }
    }

    /// Swaps what handshakes have come to for what is in `taken`, which is empty.
    pub(super) fn take_results(&self, taken: &mut HandshakeResults) {
        std::mem::swap(&mut *self.results.lock(), taken);
    }

    /// Says to the game that the server is of no use any more.
    pub(super) fn fail(&self, why: &str) {
        self.inbox.lock().broken.get_or_insert_with(|| why.to_owned());
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut ServerCounters)) {
        count(&mut self.counters.lock());
    }

    pub(super) fn counters(&self) -> ServerCounters {
        *self.counters.lock()
    }
}

/// Tells the game when its thread panics.
pub(super) struct Guard {
    mailbox: Arc<Mailbox>,
    is_done: bool,
}

impl Guard {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, is_done: false }
    }

    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_done {
            self.mailbox.fail("a thread of the server has failed, which is a mistake in the addon; please report it");
            self.mailbox.command(Command::Stop);
        }
    }
}
