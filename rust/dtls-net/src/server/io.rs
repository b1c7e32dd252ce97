//! The thread that has the socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dtls_core::{Endpoint, HandshakeResults, Output, Path};

use super::mailbox::{Command, Mailbox, Outbox};
use super::workers::Workers;
use crate::{Batch, Broken, Socket, Transmit};

/// The largest datagram that is received, in bytes: two records of the largest size.
const LARGEST: usize = 2 * (16 * 1024 + 256);
/// Datagrams that one turn receives at most, so that what is to be sent is not kept waiting.
const PER_TURN: usize = 16 * Batch::MOST;
/// Bytes that wait for the socket, beyond which they are dropped: when the send buffer, of 4 MiB mostly, has been full
/// for so long, what waits is of no use to anyone.
const MOST_UNSENT: usize = 4 * 1024 * 1024;

/// What has the socket.
pub(super) struct Io {
    socket: Socket,
    endpoint: Endpoint,
    workers: Option<Workers>,
    mailbox: Arc<Mailbox>,
    batch: Batch,
    output: Output,
    /// How many of the transmits in `output` have been sent.
    sent: usize,
    taken: Outbox,
    results: HandshakeResults,
    is_over: bool,
}

impl Io {
    pub(super) fn new(
        socket: Socket,
        endpoint: Endpoint,
        workers: Option<Workers>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            socket,
            endpoint,
            workers,
            mailbox,
            batch: Batch::new(Batch::MOST, LARGEST),
            output: Output::default(),
            sent: 0,
            taken: Outbox::default(),
            results: HandshakeResults::default(),
            is_over: false,
        }
    }

    /// Works until it is told to stop, or the socket breaks.
    ///
    /// It waits for the next datagram, without a pause in which more could gather. With 50 players at 30 packets a
    /// second each way, in turn on a machine with two cores that were busy with other things too, the whole process
    /// took 46 ms of processor time a second like this; with a pause after a small turn of 0.5 ms it took 67, of 1 ms 56,
    /// of 2 ms 42 and of 4 ms 31. A pause is a wait, too, and only one that players would notice saves some.
    pub(super) fn run(&mut self) {
        while !self.is_over {
            let now = Instant::now();
            let until = self.endpoint.next_timeout();
            let timeout =
                until.map_or(Socket::LONGEST_WAIT, |until| until.saturating_duration_since(now));
            let turned = self.wait(timeout).and_then(|()| self.turn());
            self.end_if_broken(turned);
        }
    }

    /// Does what there is to do now.
    pub(super) fn turn_without_waiting(&mut self) {
        if !self.is_over {
            let turned = self.wait(Duration::ZERO).and_then(|()| self.turn());
            self.end_if_broken(turned);
        }
    }

    /// Sends what the game has left, and does what it wants.
    pub(super) fn send(&mut self) {
        if self.is_over {
            return;
        }
        self.take_sent();
        self.run_commands();
        let sent = self.transmit();
        self.end_if_broken(sent);
        if self.is_over {
            self.end();
        }
    }

    fn wait(&mut self, timeout: Duration) -> Result<(), Broken> {
        self.socket.wait(timeout)?;
        Ok(())
    }

    fn end_if_broken(&mut self, turned: Result<(), Broken>) {
        if let Err(broken) = turned {
            self.endpoint.transport_closed(&mut self.output);
            self.mailbox.fail(&broken.to_string());
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(workers) = &self.workers {
            workers.stop();
        }
        self.mailbox.publish(&mut self.output.events, &mut self.output.packets);
        self.is_over = true;
    }

    /// One turn: what the game has left, what handshakes have come to, what has arrived, what is due.
    fn turn(&mut self) -> Result<(), Broken> {
        self.mailbox.looks();
        self.take_sent();
        self.receive()?;
        let now = Instant::now();
        if self.workers.is_some() {
            self.mailbox.take_results(&mut self.results);
            self.endpoint.take_results(&mut self.results, now, &mut self.output);
        }
        self.endpoint.handle_timeout(now, &mut self.output);
        self.give_to_workers();
        self.run_commands();
        self.transmit()?;
        self.mailbox.publish(&mut self.output.events, &mut self.output.packets);
        if self.is_over {
            self.end();
        }
        let socket = self.socket.counters();
        self.mailbox.count(|counters| counters.socket = socket);
        Ok(())
    }

    /// Encrypts what the game has left.
    fn take_sent(&mut self) {
        self.mailbox.take_sent(&mut self.taken);
        for (client, packet) in self.taken.packets.iter() {
            // A session that fails by it has ended, which is an event.
            let _failed = self.endpoint.send(client.id, packet, &mut self.output);
        }
        self.taken.packets.clear();
    }

    fn receive(&mut self) -> Result<(), Broken> {
        let mut left = PER_TURN;
        while left > 0 {
            let received = self.socket.receive_batch(&mut self.batch)?;
            if received == 0 {
                break;
            }
            let now = Instant::now();
            for datagram in self.batch.datagrams() {
                let path = Path { peer: datagram.peer, local: datagram.local };
                self.endpoint.handle_datagram(path, datagram.bytes, now, &mut self.output);
            }
            left = left.saturating_sub(received);
            if received < Batch::MOST {
                break;
            }
        }
        Ok(())
    }

    fn give_to_workers(&mut self) {
        if let Some(workers) = &self.workers {
            let dropped = workers.give(&mut self.output);
            if dropped > 0 {
                self.mailbox.count(|counters| counters.handshake_queue_full += dropped);
            }
        }
    }

    fn run_commands(&mut self) {
        for command in std::mem::take(&mut self.taken.commands) {
            match command {
                Command::Disconnect(client) => {
                    self.endpoint.disconnect(client.id, &mut self.output)
                }
                Command::SetConfig(config) => {
                    if let Some(workers) = &self.workers {
                        workers.set_config(&config);
                    }
                    self.endpoint.set_config(*config);
                }
                Command::Stop => {
                    self.endpoint.disconnect_all(&mut self.output);
                    self.is_over = true;
                }
            }
        }
    }

    /// Sends what is to be sent, as far as the system takes it.
    fn transmit(&mut self) -> Result<(), Broken> {
        let transmits = &mut self.output.transmits;
        while self.sent < transmits.len() {
            let some: Vec<Transmit<'_>> = (self.sent..transmits.len())
                .take(Batch::MOST)
                .filter_map(|index| transmits.get(index))
                .map(|(path, bytes)| Transmit { peer: path.peer, local: path.local, bytes })
                .collect();
            let progress = self.socket.send_batch(&some)?;
            self.sent += progress.done;
            if progress.done < some.len() {
                break;
            }
        }
        let left = transmits.len() - self.sent;
        if left > 0 && transmits.bytes() < MOST_UNSENT {
            return Ok(());
        }
        if left > 0 {
            self.mailbox.count(|counters| counters.unsent += u64::try_from(left).unwrap_or(0));
        }
        transmits.clear();
        self.sent = 0;
        Ok(())
    }
}
