//! The socket: bind, wait, receive, send.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use crate::error::{self, Trouble};
use crate::sys::Io;
use crate::{Batch, BindError, Broken, BufferSizes, Datagram, Progress, Transmit};

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindAddress {
    /// On every address of the machine: IPv4 and IPv6, or IPv4 alone if the system has no IPv6.
    Any,
    /// On this one. `0.0.0.0` is every IPv4 address, `::` every IPv6 address.
    One(IpAddr),
}

/// What happened to a datagram that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The system has it.
    Sent,
    /// The system did not take it, and would not later. It is counted.
    Lost,
    /// The send buffer is full: try again when [`Socket::wait`] says [`Ready::writable`].
    WouldBlock,
}

/// What [`Socket::wait`] waited for. Neither: it was woken, the time is over, or for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// A datagram may wait to be received. It stays so until receiving finds none.
    pub readable: bool,
    /// There is room to send again. It is looked at after something would have blocked only.
    pub writable: bool,
}

/// What went wrong with single datagrams. These only go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Errors of receiving, such as an ICMP message about what was sent before.
    pub receive_errors: u64,
    /// Datagrams that the system did not take.
    pub send_errors: u64,
    /// Datagrams that were larger than the buffer they were received into. What came of them is dropped.
    pub truncated: u64,
}

/// A UDP socket, which no other socket shares its port with.
///
/// It sends and receives without blocking, for the one thread that owns it.
#[derive(Debug)]
pub struct Socket {
    io: Io,
    local_addr: SocketAddr,
    buffer_sizes: BufferSizes,
    counters: Counters,
    poll: Poll,
    waker: Waker,
    events: Events,
    /// Receiving has not said yet that nothing waits.
    readable: bool,
    /// Something would have blocked, and nothing was writable since.
    blocked: bool,
    /// What is polled for. Without need nothing is polled to be writable: the thread would be woken when a datagram
    /// has left.
    interest: Interest,
}

/// Wakes a socket's thread from any other. It may outlive the socket.
#[derive(Debug, Clone)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Ends the wait that is going on, or else the next one. Many calls before that are one.
    pub fn wake(&self) -> Result<(), Broken> {
        self.0.wake().map_err(Broken)
    }
}

impl Socket {
    /// No wait is longer: an hour.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

    /// A socket that listens on a port, or on a free one if that is 0.
    ///
    /// # Errors
    ///
    /// When another socket has the port, no interface has the address, or the system has no socket to give.
    pub fn bind(address: BindAddress, port: u16) -> Result<Self, BindError> {
        const EVERY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let open = |address: IpAddr, dual: bool| {
            Self::open(address, port, dual).map_err(|error| (error, address))
        };
        let socket = match address {
            BindAddress::One(address) => open(address, false),
            BindAddress::Any => match open(EVERY, true) {
                Err((error, _)) if error::is_without_ipv6(&error) => {
                    open(Ipv4Addr::UNSPECIFIED.into(), false)
                }
                socket => socket,
            },
        };
        socket.map_err(|(error, address)| BindError::new(error, address, port))
    }

    fn open(address: IpAddr, port: u16, dual: bool) -> io::Result<Self> {
        let mut io = Io::bind(SocketAddr::new(address, port), dual)?;
        let poll = Poll::new()?;
        let interest = Interest::READABLE;
        poll.registry().register(&mut io.socket, SOCKET, interest)?;
        Ok(Self {
            local_addr: io.socket.local_addr()?,
            buffer_sizes: BufferSizes::enlarge(&SockRef::from(&io.socket))?,
            io,
            counters: Counters::default(),
            waker: Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?)),
            poll,
            events: Events::with_capacity(2),
            readable: false,
            blocked: false,
            interest,
        })
    }

    /// Where it listens: `[::]` for [`BindAddress::Any`] if the system has IPv6. The port is never 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// How much the system lets wait. [`BufferSizes::warning`] is a sentence about it.
    pub fn buffer_sizes(&self) -> BufferSizes {
        self.buffer_sizes
    }

    /// What went wrong so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What ends a [`Socket::wait`] from another thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until there is something to receive, room to send again after something would have blocked, a
    /// [`Waker`] wakes it, or the time is over, which is cut to [`Socket::LONGEST_WAIT`].
    ///
    /// It returns at once as long as a datagram waits, and once more after the last one, unless receiving has found
    /// none by then. It may return early for nothing. Times are rounded up to milliseconds.
    pub fn wait(&mut self, timeout: Duration) -> Result<Ready, Broken> {
        if self.interest.is_writable() != self.blocked {
            self.interest = Interest::READABLE;
            if self.blocked {
                self.interest |= Interest::WRITABLE;
            }
            let registry = self.poll.registry();
            registry.reregister(&mut self.io.socket, SOCKET, self.interest).map_err(Broken)?;
        }
        // The system tells only once that something came.
        let timeout = if self.readable { Duration::ZERO } else { timeout.min(Self::LONGEST_WAIT) };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            polled => polled.map_err(Broken)?,
        }
        let mut writable = false;
        for event in self.events.iter().filter(|event| event.token() == SOCKET) {
            self.readable |= event.is_readable();
            writable |= event.is_writable();
        }
        self.blocked &= !writable;
        Ok(Ready { readable: self.readable, writable })
    }

    /// Receives a datagram, if one is waiting. One that is larger than the buffer is dropped and counted.
    pub fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<Datagram<'b>>, Broken> {
        for _ in 0..Self::ATTEMPTS {
            match attempt(&self.io, &mut self.counters.receive_errors, |io| io.receive(buffer))? {
                Attempt::Done(arrival) if arrival.truncated => self.counters.truncated += 1,
                Attempt::Done(arrival) => return Ok(Some(arrival.datagram(buffer))),
                Attempt::Lost => {}
                Attempt::WouldBlock => {
                    self.readable = false;
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Receives as many datagrams as wait and fit into the batch, in place of what is in it: in one call of the
    /// system on Linux and Android.
    ///
    /// Returns how many were taken from the socket, with those that were larger than the batch has room for; they
    /// are counted and dropped. 0: none was waiting, or the next call is to go on after many errors.
    pub fn receive_batch(&mut self, batch: &mut Batch) -> Result<usize, Broken> {
        let Batch { storage, size, arrivals } = batch;
        arrivals.clear();
        for _ in 0..Self::ATTEMPTS {
            let room = &mut storage[arrivals.len() * *size..];
            if room.is_empty() {
                break;
            }
            let receive = |io: &Io| io.receive_some(room, *size, arrivals);
            match attempt(&self.io, &mut self.counters.receive_errors, receive)? {
                Attempt::Done(true) | Attempt::Lost => {}
                Attempt::Done(false) => break,
                Attempt::WouldBlock => {
                    self.readable = false;
                    break;
                }
            }
        }
        let truncated = arrivals.iter().filter(|arrival| arrival.truncated).count();
        self.counters.truncated += truncated as u64;
        Ok(arrivals.len())
    }

    /// Sends a datagram.
    pub fn send(&mut self, transmit: &Transmit<'_>) -> Result<Sent, Broken> {
        Ok(match attempt(&self.io, &mut self.counters.send_errors, |io| io.send(transmit))? {
            Attempt::Done(()) => Sent::Sent,
            Attempt::Lost => Sent::Lost,
            Attempt::WouldBlock => {
                self.blocked = true;
                Sent::WouldBlock
            }
        })
    }

    /// Sends datagrams in order, until one would block: with one call of the system for up to 64 on Linux and
    /// Android.
    pub fn send_batch(&mut self, transmits: &[Transmit<'_>]) -> Result<Progress, Broken> {
        let mut progress = Progress::default();
        while progress.done < transmits.len() {
            let send = |io: &Io| io.send_some(&transmits[progress.done..]);
            match attempt(&self.io, &mut self.counters.send_errors, send)? {
                Attempt::Done(sent) => progress.done += sent,
                Attempt::Lost => {
                    progress.lost.push(progress.done);
                    progress.done += 1;
                }
                Attempt::WouldBlock => {
                    self.blocked = true;
                    break;
                }
            }
        }
        Ok(progress)
    }

    /// How often one call tries to receive: errors and truncated datagrams without end must not keep it.
    const ATTEMPTS: usize = Batch::MOST;
}

/// What the events are of.
const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// What came of one call of the system.
enum Attempt<T> {
    Done(T),
    Lost,
    WouldBlock,
}

/// Calls until no signal comes in between, and counts what is lost.
fn attempt<T>(
    io: &Io,
    lost: &mut u64,
    mut call: impl FnMut(&Io) -> io::Result<T>,
) -> Result<Attempt<T>, Broken> {
    loop {
        // The poller has to know what would block.
        let error = match io.socket.try_io(|| call(io)) {
            Ok(value) => return Ok(Attempt::Done(value)),
            Err(error) => error,
        };
        match error::sort(&error) {
            Trouble::Interrupted => {}
            Trouble::WouldBlock => return Ok(Attempt::WouldBlock),
            Trouble::Lost => {
                *lost += 1;
                return Ok(Attempt::Lost);
            }
            Trouble::Broken => return Err(Broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::net::UdpSocket;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Sends 1,000 datagrams of 1,200 bytes while nobody reads, and expects as many as the buffer has to hold. Linux
    /// charges 2,304 bytes for each, since it is in 2,048 and what is known of it in 256, and allows twice the size of
    /// the buffer. Other systems charge no more.
    fn burst(server: &mut Socket, buffer: usize) {
        let held = (buffer * if cfg!(target_os = "linux") { 2 } else { 1 } / 2304).min(1000);
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        for number in 0..1000_u32 {
            let bytes = [&number.to_be_bytes()[..], &[0; 1196]].concat();
            peer.send_to(&bytes, server.local_addr()).expect("sent");
        }
        let mut batch = Batch::new(Batch::MOST, 2048);
        let (mut received, start) = (0, Instant::now());
        while received < held {
            assert!(start.elapsed() < LONG, "{received} of {held} came");
            server.wait(LONG).expect("a socket");
            server.receive_batch(&mut batch).expect("a socket");
            for datagram in batch.datagrams().take(held - received) {
                assert_eq!(datagram.bytes.len(), 1200);
                assert_eq!(datagram.bytes[..4], (received as u32).to_be_bytes());
                received += 1;
            }
        }
    }

    #[test]
    fn a_burst_arrives_as_far_as_the_system_has_room() {
        let localhost = BindAddress::One(Ipv4Addr::LOCALHOST.into());
        let mut server = Socket::bind(localhost, 0).expect("a free port");
        let buffer = server.buffer_sizes().receive;
        burst(&mut server, buffer);

        let small = 106_496;
        let mut server = Socket::bind(localhost, 0).expect("a free port");
        SockRef::from(&server.io.socket).set_recv_buffer_size(small).expect("a buffer");
        burst(&mut server, small);
    }

    #[test]
    fn a_signal_repeats_a_call_and_an_unknown_error_ends_the_socket() {
        let server = Socket::bind(BindAddress::Any, 0).expect("a free port");
        let errors = |mut errors: Vec<io::ErrorKind>| {
            move |_: &Io| -> io::Result<()> { Err(errors.pop().expect("no more calls").into()) }
        };
        let mut lost = 0;
        let attempted = attempt(
            &server.io,
            &mut lost,
            errors(vec![io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted]),
        );
        assert!(matches!(attempted, Ok(Attempt::WouldBlock)));
        assert_eq!(lost, 0);
        assert!(attempt(&server.io, &mut lost, errors(vec![io::ErrorKind::NotConnected])).is_err());
        assert_eq!(lost, 0);
    }

    #[test]
    fn it_waits_for_room_after_something_would_have_blocked_only() {
        let mut server = Socket::bind(BindAddress::Any, 0).expect("a free port");
        let writable = Ready { readable: false, writable: true };
        for _ in 0..2 {
            assert_eq!(server.wait(Duration::ZERO).expect("a socket"), Ready::default());
            server.blocked = true;
            // A wait may end early for nothing.
            let mut waits = iter::repeat_with(|| server.wait(LONG).expect("a socket")).take(3);
            assert_eq!(waits.find(|ready| *ready != Ready::default()), Some(writable));
        }
    }
}
