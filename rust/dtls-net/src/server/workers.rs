//! The threads that do the handshakes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use dtls_core::{Bundle, HandshakeResults, Handshakes, Output, ServerConfig, Unconnected};
use parking_lot::{Condvar, Mutex};

use super::mailbox::Mailbox;

/// Bytes that wait for one worker, beyond which what comes is dropped: some 3,000 ClientHellos.
const MOST_WAITING: usize = 1024 * 1024;
/// What a datagram counts for beside its own bytes.
const PER_DATAGRAM: usize = 64;

/// How many datagrams a worker handles before it hands over what they came to: 16 handshakes take some milliseconds.
const PER_TURN: usize = 16;

/// What is for one worker.
#[derive(Default)]
struct Waiting {
    datagrams: Bundle<Unconnected>,
    /// For after the datagrams.
    confirmed: Vec<SocketAddr>,
    config: Option<ServerConfig>,
    stop: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

/// The ways to the workers, one for each.
pub(super) struct Workers {
    queues: Vec<Arc<Queue>>,
    /// All datagrams of one address go to the same worker. Nobody can choose which.
    hash: RandomState,
}

/// A worker.
pub(super) struct Worker {
    queue: Arc<Queue>,
    handshakes: Handshakes,
    mailbox: Arc<Mailbox>,
}

impl Workers {
    /// One for each part.
    pub(super) fn new(parts: Vec<Handshakes>, mailbox: &Arc<Mailbox>) -> (Self, Vec<Worker>) {
        let workers: Vec<Worker> = parts
            .into_iter()
            .map(|handshakes| Worker {
                queue: Arc::default(),
                handshakes,
                mailbox: Arc::clone(mailbox),
            })
            .collect();
        let queues = workers.iter().map(|worker| Arc::clone(&worker.queue)).collect();
        (Self { queues, hash: RandomState::new() }, workers)
    }

    fn queue_of(&self, peer: SocketAddr) -> Option<&Queue> {
        let hash = usize::try_from(self.hash.hash_one(peer) >> 33).unwrap_or_default();
        self.queues.get(hash.checked_rem(self.queues.len())?).map(|queue| &**queue)
    }

    /// Gives them what is for them in `output`. Returns how many datagrams found no room.
    pub(super) fn give(&self, output: &mut Output) -> u64 {
        if output.unconnected.is_empty() && output.confirmed.is_empty() {
            return 0;
        }
        let mut dropped = 0;
        for (unconnected, datagram) in output.unconnected.iter() {
            let Some(queue) = self.queue_of(unconnected.path.peer) else { continue };
            let datagrams = &mut queue.waiting.lock().datagrams;
            if datagrams.bytes() + PER_DATAGRAM * datagrams.len() < MOST_WAITING {
                datagrams.push(*unconnected, datagram);
            } else {
                dropped += 1;
            }
        }
        output.unconnected.clear();
        for peer in output.confirmed.drain(..) {
            if let Some(queue) = self.queue_of(peer) {
                queue.waiting.lock().confirmed.push(peer);
            }
        }
        for queue in &self.queues {
            queue.bell.notify_one();
        }
        dropped
    }

    /// Lets them use `config` for the clients to come.
    pub(super) fn set_config(&self, config: &ServerConfig) {
        for queue in &self.queues {
            queue.waiting.lock().config = Some(config.clone());
            queue.bell.notify_one();
        }
    }

    /// Lets them end.
    pub(super) fn stop(&self) {
        for queue in &self.queues {
            queue.waiting.lock().stop = true;
            queue.bell.notify_one();
        }
    }
}

impl Worker {
    /// Works until it is told to stop.
    pub(super) fn run(&mut self) {
        let mut taken = Waiting::default();
        let mut results = HandshakeResults::default();
        while self.wait(&mut taken) {
            if let Some(config) = taken.config.take() {
                self.handshakes.set_config(config);
            }
            let mut handled = 0;
            for (unconnected, datagram) in taken.datagrams.iter() {
                self.handshakes.handle_datagram(
                    *unconnected,
                    datagram,
                    Instant::now(),
                    &mut results,
                );
                handled += 1;
                if handled % PER_TURN == 0 {
                    self.mailbox.publish_results(&mut results);
                }
            }
            taken.datagrams.clear();
            taken.confirmed.drain(..).for_each(|peer| self.handshakes.confirm(peer));
            self.handshakes.handle_timeout(Instant::now(), &mut results);
            self.mailbox.publish_results(&mut results);
        }
    }

    /// Waits until there is something to do, and takes it. `false` when it is to stop.
    fn wait(&self, taken: &mut Waiting) -> bool {
        let mut waiting = self.queue.waiting.lock();
        loop {
            if waiting.stop {
                return false;
            }
            let is_empty = waiting.datagrams.is_empty()
                && waiting.confirmed.is_empty()
                && waiting.config.is_none();
            if !is_empty {
                mem::swap(&mut *waiting, taken);
                return true;
            }
            match self.handshakes.next_timeout() {
                Some(due) if due <= Instant::now() => return true,
                Some(due) => {
                    self.queue.bell.wait_until(&mut waiting, due);
                }
                None => self.queue.bell.wait(&mut waiting),
            }
        }
    }
}
