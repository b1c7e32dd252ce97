//! A peer that several threads can call.
//!
//! One thread at a time has the peer. A call that comes from within another one of the same thread (the engine
//! prints something, and a script that listens to the console calls the peer) is told that the peer is busy;
//! the status is known then, too.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};

use dtls_core::Session;
use parking_lot::ReentrantMutex;

use super::connection::Peer;
use super::enums::Status;
use super::native::Native;
use super::resolving::Resolving;
use crate::engine::logging::Holder;

/// A peer, and its lock.
#[derive(Default)]
pub(crate) struct PeerHandle {
    peer: ReentrantMutex<RefCell<Shared>>,
    /// The peer's status after the last call.
    status: AtomicU8,
}

#[derive(Default)]
struct Shared(Peer);

// SAFETY: what keeps a peer from being sent is its reference to a PacketPeerUDP, whose count the engine
// changes atomically. It is used by the thread that has the lock, one at a time.
unsafe impl Send for Shared {}

// What else it has can be sent as it is.
const _: () = {
    const fn can_be_sent<T: Send>() {}
    can_be_sent::<(Session, Native, Resolving)>();
};

impl PeerHandle {
    /// What `action` makes of the peer, or `busy` if it comes from within another one. Afterwards, when the
    /// peer is unlocked, logs what there is to report.
    pub(crate) fn with<R>(&self, busy: R, action: impl FnOnce(&mut Peer) -> R) -> R {
        let (result, report) = {
            let _holder = Holder::new();
            let peer = self.peer.lock();
            let Ok(mut peer) = peer.try_borrow_mut() else {
                return busy;
            };
            let result = action(&mut peer.0);
            self.status.store(peer.0.status() as u8, Ordering::Release);
            (result, peer.0.take_report())
        };
        if let Some((level, text)) = report {
            log::log!(level, "{text}");
        }
        result
    }

    /// The status that the last call has left. It does not wait for the end of a call.
    pub(crate) fn status(&self) -> Status {
        let number = self.status.load(Ordering::Acquire);
        Status::ALL.get(usize::from(number)).map_or(Status::Error, |(_, status)| *status)
    }
}
