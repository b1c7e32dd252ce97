//! The clients that are connected.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::handshake::session::{Ending, SendError, Session, Status};
use crate::report::stats::{Dropped, RegisteredCounters};
use crate::wire::record;

use super::handshakes::{Established, HandshakeResults};
use super::{Backlog, Client, Ended, Event, Output, Path, SharedSession, Unconnected};

/// The connections of an endpoint.
#[derive(Debug)]
pub(super) struct Connections {
    slots: Vec<Option<Slot>>,
    /// The empty ones of the slots.
    free: Vec<u32>,
    /// Which slot an address has. Clients choose their addresses, so the hash is one that they cannot know.
    by_address: HashMap<SocketAddr, u32>,
    by_id: FxHashMap<u32, u32>,
    last_id: u32,
    /// What the packets of clients are counted in.
    backlog: Arc<Backlog>,
    /// For what has no session that could count it.
    counters: RegisteredCounters,
    /// No session has anything to do before.
    due: Option<Instant>,
}

#[derive(Debug)]
struct Slot {
    client: Client,
    path: Path,
    session: Arc<SharedSession>,
    /// Until when the client may be starting again, so that its datagrams may be for either session.
    starts_again: Option<Instant>,
}

impl Connections {
    pub(super) fn new(backlog: Arc<Backlog>, counters: RegisteredCounters) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_address: HashMap::new(),
            by_id: FxHashMap::default(),
            last_id: 0,
            backlog,
            counters,
            due: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(number).ok()?)?.as_mut()
    }

    /// Does something with the session in a slot, and takes what it has come to.
    fn with<R>(
        &mut self,
        number: u32,
        output: &mut Output,
        action: impl FnOnce(&mut Slot, &mut Session, &mut Output) -> R,
    ) -> Option<R> {
        let slot = self.slot(number)?;
        let shared = Arc::clone(&slot.session);
        let mut session = shared.lock();
        let result = action(slot, &mut session, output);
        let (client, path) = (slot.client, slot.path);
        self.take(client, path, &mut session, output);
        Some(result)
    }

    /// Takes what the session of a client has come to: packets, datagrams, its end.
    fn take(&mut self, client: Client, path: Path, session: &mut Session, output: &mut Output) {
        let Output { transmits, packets, events, .. } = output;
        while session.received() > 0 {
            let taken = session.receive_with(|packet| {
                let has_room = self.backlog.add(client.slot, packet.len());
                if has_room {
                    packets.push(client, packet);
                }
                has_room
            });
            if taken == Some(false) {
                session.note_dropped(Dropped::QueueFull);
            }
        }
        if session.has_outgoing() {
            session.transmit(|datagram| transmits.push(path, datagram));
        }
        let ended = match session.status() {
            Status::Handshaking | Status::Connected => return,
            Status::Closed => session.ending().unwrap_or(Ending::Closed).into(),
            Status::Failed => match session.failure() {
                Some(failure) => Ended::Failure(failure.clone()),
                None => Ending::Closed.into(),
            },
        };
        events.push(Event::Disconnected(client, ended));
        self.by_id.remove(&client.id);
        if self.by_address.get(&path.peer) == Some(&client.slot) {
            self.by_address.remove(&path.peer);
        }
        if let Ok(index) = usize::try_from(client.slot)
            && let Some(slot) = self.slots.get_mut(index)
            && slot.take().is_some()
        {
            self.free.push(client.slot);
        }
    }

    pub(super) fn handle_datagram(
        &mut self,
        path: Path,
        datagram: &[u8],
        now: Instant,
        output: &mut Output,
    ) {
        let Some(&number) = self.by_address.get(&path.peer) else {
            let unconnected = Unconnected { path, connected_since: None };
            output.unconnected.push(unconnected, datagram);
            return;
        };
        self.with(number, output, |slot, session, output| {
            if record::is_client_hello(datagram) {
                let acceptable = record::acceptable(datagram, record::LEAST_ENCRYPTED);
                if session.is_of_another_attempt(acceptable) {
                    slot.starts_again = now.checked_add(session.handshake_timeout());
                    let connected_since = session.began();
                    output.unconnected.push(Unconnected { path, connected_since }, datagram);
                    return;
                }
            }
            if let Some(until) = slot.starts_again {
                if now < until {
                    let connected_since = session.began();
                    output.unconnected.push(Unconnected { path, connected_since }, datagram);
                } else {
                    slot.starts_again = None;
                }
            }
            let before = session.packets_received();
            session.handle_datagram(datagram, now);
            // Anyone can send from the client's address to another one of this machine. A packet is the client's.
            if session.packets_received() > before {
                slot.path.local = path.local;
            }
        });
    }

    /// Takes what handshakes have come to.
    pub(super) fn take_results(
        &mut self,
        results: &mut HandshakeResults,
        now: Instant,
        output: &mut Output,
    ) {
        output.transmits.append(&mut results.transmits);
        for established in results.established.drain(..) {
            output.confirmed.push(established.path.peer);
            self.establish(established, now, output);
        }
        // They were underway to the handshakes when their client was connected.
        for (path, datagram) in results.returned.iter() {
            if self.by_address.contains_key(&path.peer) {
                self.handle_datagram(*path, datagram, now, output);
            } else {
                self.counters.dropped(Dropped::Unexpected);
            }
        }
        results.returned.clear();
    }

    fn establish(&mut self, established: Established, now: Instant, output: &mut Output) {
        let Established { mut session, path } = established;
        let before = self.by_address.get(&path.peer).copied();
        let took_over = before.and_then(|number| {
            self.with(number, output, |_, before, _| session.take_over(Some(before), now))
        });
        if took_over.is_none() {
            session.take_over(None, now);
        }
        if session.status() != Status::Connected {
            // It was refused in the end, or the client has closed it already.
            session.transmit(|datagram| output.transmits.push(path, datagram));
            return;
        }
        // Never one that was used before, nor one that the engine takes for something else.
        let Some(id) = self.last_id.checked_add(1).filter(|id| i32::try_from(*id).is_ok()) else {
            session.close();
            session.transmit(|datagram| output.transmits.push(path, datagram));
            return;
        };
        self.last_id = id;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let client = Client { id, slot };
        self.due = self.due.into_iter().chain(session.next_timeout()).min();
        let session = SharedSession::new(*session);
        output.events.push(Event::Connected(client, path.peer, Arc::clone(&session)));
        if let Ok(index) = usize::try_from(slot)
            && let Some(place) = self.slots.get_mut(index)
        {
            *place = Some(Slot { client, path, session, starts_again: None });
        }
        self.by_address.insert(path.peer, slot);
        self.by_id.insert(id, slot);
        // Packets may have come with the last datagram of the handshake.
        self.with(slot, output, |_, _, _| ());
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, output: &mut Output) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let mut due: Option<Instant> = None;
        for number in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            let next = self.with(number, output, |_, session, _| {
                session.handle_timeout(now);
                session.next_timeout()
            });
            due = due.into_iter().chain(next.flatten()).min();
        }
        self.due = due;
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn send(
        &mut self,
        id: u32,
        packet: &[u8],
        output: &mut Output,
    ) -> Result<(), SendError> {
        let Some(number) = self.by_id.get(&id).copied() else {
            return Ok(());
        };
        self.with(number, output, |_, session, _| session.send(packet)).unwrap_or(Ok(()))
    }

    pub(super) fn disconnect(&mut self, id: u32, output: &mut Output) {
        if let Some(number) = self.by_id.get(&id).copied() {
            self.with(number, output, |_, session, _| session.close());
        }
    }

    pub(super) fn disconnect_all(&mut self, output: &mut Output) {
        self.with_all(output, Session::close);
    }

    pub(super) fn transport_closed(&mut self, output: &mut Output) {
        self.with_all(output, Session::transport_closed);
    }

    fn with_all(&mut self, output: &mut Output, action: impl Fn(&mut Session)) {
        for number in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            self.with(number, output, |_, session, _| action(session));
        }
    }
}
