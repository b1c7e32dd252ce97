//! A peer's connection: its socket, its session, and how it ended.

use std::sync::{Arc, Weak};
use std::time::Instant;

use dtls_core::{Ended, Ending, Failure, Limits, MAX_PACKET, SendError, Session, Stats};
use godot::builtin::GString;
use godot::global::Error;

use super::enums::{Reason, Status};
use super::listened::Listened;
use super::resolving::{Progress, Resolving};
use super::start::{Begun, ConnectError};
use super::transport::Transport;

/// Something to be logged.
pub(crate) type Report = (log::Level, String);

/// A peer.
#[derive(Default)]
pub(crate) struct Peer {
    connection: Connection,
    handed_out: HandedOut,
    last_error: GString,
    /// What is to be logged once the peer is unlocked: a script that listens to the console may call it.
    report: Option<Report>,
}

#[derive(Default)]
enum Connection {
    /// Nothing was begun.
    #[default]
    None,
    /// `take_connection` found no client that begins a connection.
    Refused,
    /// The address of a client's server is looked up.
    Resolving(Box<Resolving>),
    /// What a client was told to begin could not be begun.
    Failed(Reason),
    /// There is a session to serve.
    Active(Active),
    /// It is over; packets may be left.
    Over(Session),
    /// A listener has it.
    Listened(Listened),
}

struct Active {
    transport: Transport,
    session: Session,
    /// Whether it is a client's own connection, whose failure is an error. What strangers send to a server is
    /// none.
    is_client: bool,
}

impl Peer {
    /// Goes on with the connection of a client whose handshake has begun.
    pub(crate) fn accept(&mut self, transport: Transport, session: Session) {
        self.begin(Active { transport, session, is_client: false });
    }

    /// Has no connection, for the reason `why`.
    pub(crate) fn refuse(&mut self, why: &str) {
        self.connection = Connection::Refused;
        self.last_error = GString::from(why);
    }

    fn begin(&mut self, mut active: Active) {
        active.flush();
        self.connection = Connection::Active(active);
        self.last_error = GString::new();
        self.settle();
    }

    /// Begins a client's connection, or says why not.
    pub(crate) fn connect(
        &mut self,
        method: &str,
        start: impl FnOnce() -> Result<Begun, ConnectError>,
    ) -> Error {
        let result = match self.connection {
            Connection::Active(_) | Connection::Resolving(_) => Err(ConnectError::InUse),
            Connection::Listened(ref listened) if listened.ended().is_none() => {
                Err(ConnectError::InUse)
            }
            _ => start(),
        };
        match result {
            Ok(Begun::Handshake(transport, session)) => {
                self.begin(Active { transport, session: *session, is_client: true });
                Error::OK
            }
            Ok(Begun::Lookup(resolving)) => {
                self.connection = Connection::Resolving(resolving);
                self.last_error = GString::new();
                Error::OK
            }
            Err(error) => {
                self.last_error = GString::from(&error.to_string());
                let text = format!("{method}: {error}.");
                self.report = Some((log::Level::Error, text));
                error.code()
            }
        }
    }

    /// What a session answers, if there is one.
    pub(crate) fn ask<R>(&self, question: impl FnOnce(&Session) -> R) -> Option<R> {
        match &self.connection {
            Connection::Active(Active { session, .. }) | Connection::Over(session) => {
                Some(question(session))
            }
            Connection::Listened(listened) => Some(question(&listened.session.lock())),
            _ => None,
        }
    }

    /// Has a connection of a listener.
    pub(crate) fn listen(&mut self, listened: Listened) {
        self.connection = Connection::Listened(listened);
    }

    /// A packet has arrived for a listener's connection. Whether there is one.
    pub(crate) fn deliver(&mut self, packet: &[u8]) -> bool {
        let Connection::Listened(listened) = &mut self.connection else {
            return false;
        };
        listened.deliver(packet);
        true
    }

    /// A listener's connection has ended.
    pub(crate) fn end(&mut self, ended: Ended) {
        let Connection::Listened(listened) = &mut self.connection else {
            return;
        };
        if listened.ended().is_some() {
            return;
        }
        let (text, is_explained) = match &ended {
            Ended::Failure(failure) => (failure.to_string(), true),
            Ended::Ending(ending) => (ending.to_string(), is_explained(*ending)),
        };
        if is_explained {
            self.last_error = GString::from(&text);
        }
        self.report = Some((log::Level::Debug, text));
        listened.end(ended);
    }

    /// Gives the socket up when the session is over, and reports why, once.
    fn settle(&mut self) {
        let Connection::Active(active) = &self.connection else {
            return;
        };
        if let Some(failure) = active.session.failure() {
            self.last_error = GString::from(&failure.to_string());
            self.report = Some(if active.is_client {
                failed_client(&failure.to_string())
            } else {
                (log::Level::Info, format!("a client's connection failed: {failure}"))
            });
        } else if let Some(ending) = active.session.ending() {
            if is_explained(ending) {
                self.last_error = GString::from(&ending.to_string());
            }
            self.report = Some((log::Level::Debug, ending.to_string()));
        } else {
            return;
        }
        if let Connection::Active(active) = std::mem::take(&mut self.connection) {
            self.connection = Connection::Over(active.session);
        }
    }

    pub(crate) fn poll(&mut self) {
        match &mut self.connection {
            Connection::Active(active) => {
                active.poll();
                self.settle();
            }
            Connection::Resolving(_) => self.resolve(),
            _ => {}
        }
    }

    /// Begins the handshake of a client whose server has been found.
    fn resolve(&mut self) {
        let connection = std::mem::take(&mut self.connection);
        let Connection::Resolving(resolving) = connection else {
            self.connection = connection;
            return;
        };
        match resolving.poll(Instant::now()) {
            Ok(Progress::Waiting(resolving)) => self.connection = Connection::Resolving(resolving),
            Ok(Progress::Begun(native, session)) => {
                let transport = Transport::Native(native);
                self.begin(Active { transport, session: *session, is_client: true });
            }
            Err(error) => {
                self.connection = Connection::Failed(error.reason());
                self.last_error = GString::from(&error.to_string());
                self.report = Some(failed_client(&error.to_string()));
            }
        }
    }

    pub(crate) fn disconnect(&mut self) {
        match &mut self.connection {
            Connection::Active(active) => active.close(),
            Connection::Over(session) => session.close(),
            Connection::Listened(listened) => listened.disconnect(),
            _ => self.connection = Connection::None,
        }
        self.last_error = GString::new();
        self.settle();
    }

    /// Sends a close_notify, if there is a connection, and looks nothing up any more.
    pub(crate) fn close(&mut self) {
        // What a listener has ends when it is dropped, and so does a lookup.
        if let Connection::Active(mut active) = std::mem::take(&mut self.connection) {
            active.close();
        }
    }

    pub(crate) fn status(&self) -> Status {
        match &self.connection {
            Connection::None => Status::Disconnected,
            Connection::Refused | Connection::Failed(_) => Status::Error,
            Connection::Resolving(_) => Status::Handshaking,
            Connection::Active(Active { session, .. }) | Connection::Over(session) => {
                match session.status() {
                    dtls_core::Status::Handshaking => Status::Handshaking,
                    dtls_core::Status::Connected => Status::Connected,
                    dtls_core::Status::Closed => Status::Disconnected,
                    dtls_core::Status::Failed => match session.failure() {
                        Some(Failure::HostnameMismatch { .. }) => Status::ErrorHostnameMismatch,
                        _ => Status::Error,
                    },
                }
            }
            Connection::Listened(listened) => match listened.ended() {
                None => Status::Connected,
                Some(Ended::Ending(_)) => Status::Disconnected,
                Some(Ended::Failure(_)) => Status::Error,
            },
        }
    }

    pub(crate) fn failure_reason(&self) -> Reason {
        let reason = |failure: Option<&Failure>| {
            failure.map_or(Reason::None, |failure| Reason::of(failure.reason()))
        };
        match &self.connection {
            Connection::Failed(reason) => *reason,
            Connection::Listened(listened) => reason(listened.failure()),
            _ => self.ask(|session| reason(session.failure())).unwrap_or(Reason::None),
        }
    }

    /// The certificates of the other side, PEM each.
    pub(crate) fn certificates(&self) -> Vec<String> {
        self.ask(Session::peer_certificates_pem).unwrap_or_default()
    }

    pub(crate) fn last_error(&self) -> GString {
        self.last_error.clone()
    }

    /// What is to be logged, once.
    pub(crate) fn take_report(&mut self) -> Option<Report> {
        self.report.take()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.ask(Session::is_resumed).unwrap_or_default()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.ask(Session::stats).unwrap_or_default()
    }

    pub(crate) fn received(&self) -> usize {
        match &self.connection {
            Connection::Listened(listened) => listened.received(),
            _ => self.ask(Session::received).unwrap_or_default(),
        }
    }

    pub(crate) fn max_packet_size(&self) -> usize {
        match &self.connection {
            Connection::Listened(listened) => listened.max_packet_size,
            _ => match self.ask(Session::max_packet_size) {
                Some(size) => size,
                None => Limits::default().max_packet_size(),
            },
        }
    }

    /// The oldest packet. It stays where it is until this thread calls again, for the engine to copy it.
    pub(crate) fn receive(&mut self) -> Option<&[u8]> {
        let handed_out = &mut self.handed_out;
        match &mut self.connection {
            Connection::Active(Active { session, .. }) | Connection::Over(session) => {
                session.receive_with(|packet| handed_out.keep(packet))
            }
            Connection::Listened(listened) => Some(handed_out.keep(listened.receive()?)),
            _ => None,
        }
    }

    /// Sends a packet of `size` bytes. `payload` may be empty if it is too large to be sent.
    pub(crate) fn send(&mut self, payload: &[u8], size: usize) -> Error {
        let (result, sent) = match &mut self.connection {
            Connection::Active(active) => (active.session.send(payload), active.flush()),
            Connection::Listened(listened) => (listened.send(payload), Error::OK),
            _ => return Error::ERR_UNCONFIGURED,
        };
        let code = match result {
            Ok(()) if size > MAX_PACKET => Error::ERR_INVALID_PARAMETER,
            Ok(()) => sent,
            Err(SendError::TooLarge) => Error::ERR_INVALID_PARAMETER,
            Err(SendError::NotConnected) => Error::ERR_UNCONFIGURED,
            Err(SendError::QueueFull) => Error::ERR_BUSY,
        };
        self.settle();
        code
    }
}

/// Whether an ending is to be explained. That one side closes a connection is expected.
fn is_explained(ending: Ending) -> bool {
    matches!(ending, Ending::Idle(_) | Ending::Restarted)
}

/// That a client's connection has failed, and why.
fn failed_client(why: &str) -> Report {
    (log::Level::Error, format!("DTLS connection failed: {why}."))
}

impl Active {
    fn poll(&mut self) {
        let Self { transport, session, .. } = self;
        transport.receive(session);
        // A server polls each of its peers in every frame, idle ones too: they need no clock.
        if session.next_timeout().is_some() {
            session.handle_timeout(Instant::now());
        }
        if session.has_outgoing() {
            self.flush();
        }
    }

    /// Sends what the session has to send; the last error of the socket, if it had one.
    fn flush(&mut self) -> Error {
        self.transport.send(&mut self.session)
    }

    fn close(&mut self) {
        self.session.close();
        self.flush();
    }
}

/// What `get_packet` handed out last, for each thread: the engine copies from it after the call, when
/// another thread may already be here.
#[derive(Default)]
struct HandedOut(Vec<(Weak<()>, Vec<u8>)>);

impl HandedOut {
    /// Keeps a copy of `packet` instead of the one that this thread was given before, and frees what threads that have
    /// ended were given.
    fn keep(&mut self, packet: &[u8]) -> &[u8] {
        thread_local! {
            static THIS_THREAD: Arc<()> = Arc::default();
        }

        // A thread that is ending has none any more, and counts as one that has ended.
        let this = THIS_THREAD.try_with(Arc::downgrade).unwrap_or_default();
        let packets = &mut self.0;
        packets.retain(|(thread, _)| thread.strong_count() > 0);
        let known = packets.iter().position(|(thread, _)| thread.ptr_eq(&this));
        let index = known.unwrap_or_else(|| {
            packets.push((this, Vec::new()));
            packets.len() - 1
        });
        let Some((_, kept)) = packets.get_mut(index) else {
            return &[];
        };
        kept.clear();
        // Most packets are smaller.
        kept.shrink_to(packet.len().max(4096));
        kept.extend_from_slice(packet);
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn another_thread_leaves_alone_what_this_one_was_given() {
        let mut handed_out = HandedOut::default();
        let given = handed_out.keep(&[1; 100]).as_ptr();
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                handed_out.keep(&[2; 100]);
                handed_out.keep(&[3; 100]);
                handed_out
                    .0
                    .iter()
                    .map(|(_, packet)| (packet.as_ptr() as usize, packet[0]))
                    .collect()
            });
            let both: Vec<_> = other.join().expect("it does not panic");
            assert_eq!(both.len(), 2, "each thread has its last");
            assert_eq!(both[0], (given as usize, 1), "what was given to this one is where it was");
            assert_eq!(both[1].1, 3);
        });
    }

    #[test]
    fn a_thread_has_its_last_packet_only_and_one_that_ended_none() {
        let mut handed_out = HandedOut::default();
        for number in 0..10 {
            let packet = thread::scope(|scope| {
                let other = scope.spawn(|| handed_out.keep(&[number]).to_vec());
                other.join().expect("it does not panic")
            });
            assert_eq!(packet, [number]);
        }
        assert_eq!(handed_out.keep(&[10]), [10]);
        assert_eq!(handed_out.keep(&[11]), [11]);
        assert_eq!(handed_out.0.len(), 1);
    }
}
