//! A connection, of either side.

use std::cell::RefCell;
use std::mem;
use std::time::{Duration, Instant};

use crate::config::MAX_PACKET;
use crate::handshake::networks::PeerPermit;
use crate::report::failure::Failure;
use crate::report::stats::{Counters, Dropped};
use crate::ssl::bio::{Link, Step};
use crate::wire::record::{self, ALERT, APPLICATION_DATA, Record};
use crate::wire::replay::Window;

use super::{Ending, Io, State};

pub(super) struct Connected {
    pub(super) link: Link,
    /// By which a server's client is counted.
    pub(super) permit: Option<PeerPermit>,
    /// When the peer's last packet came, or the handshake was over.
    heard: Instant,
    idle_timeout: Option<Duration>,
    delivered: Window,
    /// Shortest body of an encrypted record, in bytes.
    pub(super) least_encrypted: usize,
}

thread_local! {
    /// Where records are decrypted to before their length is known.
    static PLAINTEXT: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_PACKET].into_boxed_slice());
}

impl Connected {
    pub(super) fn new(link: Link, idle_timeout: Option<Duration>, now: Instant) -> Self {
        let least_encrypted = link.least_encrypted();
        let delivered = Window::default();
        Self { link, permit: None, heard: now, idle_timeout, delivered, least_encrypted }
    }

    /// When the peer has been silent for too long.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        // No clock goes as far as the longest ones.
        self.heard.checked_add(self.idle_timeout?)
    }

    pub(super) fn handle_timeout(mut self, now: Instant, io: &mut Io) -> State {
        // What the peer has said since may still wait outside.
        let full = io.is_full();
        if mem::replace(&mut io.left_waiting, full) {
            self.heard = now;
            return State::Connected(self);
        }
        self.link.shutdown(&mut io.outgoing);
        State::Closed(Ending::Idle(self.idle_timeout.unwrap_or_default()))
    }

    /// Sends close_notify.
    pub(super) fn close(mut self, io: &mut Io) -> State {
        self.link.shutdown(&mut io.outgoing);
        State::Closed(Ending::Closed)
    }

    /// Decrypts every record of `datagram`, or those that are left.
    ///
    /// SSL_read is called while a record waits and no more often: one that ends in "try again" makes
    /// OpenSSL allocate the buffers (33 KB) that SSL_MODE_RELEASE_BUFFERS has just released.
    pub(super) fn read(
        mut self,
        datagram: Option<&[u8]>,
        to_the_end: bool,
        now: Instant,
        io: &mut Io,
    ) -> State {
        let mut unread = datagram;
        let sent = io.outgoing.len();
        let mut delivered = 0;
        // A caller that has a datagram handled while the queue is full wants to lose what is in it.
        let full = io.is_full();
        PLAINTEXT.with_borrow_mut(|plaintext| {
            loop {
                match self.link.read(&mut unread, &mut io.outgoing, plaintext) {
                    Step::Done(length) => {
                        if let Some(packet) = plaintext.get(..length) {
                            if full {
                                io.counters.dropped(Dropped::QueueFull);
                            } else {
                                io.push_received(packet);
                            }
                            self.heard = now;
                            delivered += 1;
                        }
                    }
                    Step::Waiting => break,
                    Step::Closed => {
                        self.link.shutdown(&mut io.outgoing);
                        return State::Closed(Ending::ClosedByPeer);
                    }
                    Step::Broken(stack) => return State::Failed(Failure::from_openssl(&stack)),
                }
                // OpenSSL gives what it has kept from before first.
                if !to_the_end && unread.is_none() && !self.link.has_pending() {
                    break;
                }
            }
            let answered = io.outgoing.iter().nth(sent).is_some_and(record::starts_flight);
            io.note_retransmissions(answered.into());
            self.note_dropped(datagram.unwrap_or_default(), delivered, answered, &io.counters);
            State::Connected(self)
        })
    }

    /// Counts what OpenSSL has dropped of `datagram`, of which it has delivered so many records. Which
    /// ones it does not say; mostly there is one in a datagram.
    fn note_dropped(
        &mut self,
        datagram: &[u8],
        delivered: usize,
        answered: bool,
        counters: &Counters,
    ) {
        let is_data = |record: &Record<'_>| {
            record.number.epoch() == 1 && matches!(record.content, APPLICATION_DATA | ALERT)
        };
        // OpenSSL does not say whether an empty one was genuine.
        let least = self.least_encrypted;
        let records = || record::records(datagram).filter(|record| !record.is_empty(least));
        let mut lost = records().filter(is_data).count().saturating_sub(delivered);
        for record in records() {
            let sequence = record.number.sequence();
            if !is_data(&record) {
                // What is plain, or is answered, is a flight that comes again.
                let flight = record.number.epoch() == 0 && record.content != ALERT || answered;
                if !flight {
                    counters.dropped(Dropped::Unexpected);
                }
            } else if lost == 0 {
                self.delivered.insert(sequence);
            } else {
                lost -= 1;
                let replayed = self.delivered.contains(sequence);
                counters.dropped(if replayed { Dropped::Replayed } else { Dropped::Forged });
            }
        }
    }
}
