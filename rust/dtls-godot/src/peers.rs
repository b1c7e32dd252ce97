//! The way from an engine object to what is behind it.
//!
//! gdext has its own, `bind`: with the feature for threads it takes several locks, and makes one or two
//! system calls each time to wake those who wait, whether there is anyone or not. That was more than a
//! packet takes otherwise. So the class has a handle only, which is found here by the object's id.
//!
//! One thread at a time has a peer. Who is called by the peer itself and comes back here (the engine
//! prints something, and a script listens to that) is told that it is busy.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, OnceLock};

use godot::obj::{Gd, InstanceId};
use parking_lot::{ReentrantMutex, RwLock};
use rustc_hash::FxHashMap;

use crate::connection::Peer;
use crate::peer::PacketPeerDtls;

/// What an object has.
#[derive(Default)]
pub(crate) struct Handle {
    /// The object's, once it was asked for.
    id: OnceLock<InstanceId>,
    peer: ReentrantMutex<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared(Peer);

// SAFETY: what keeps a peer from being sent is its reference to a PacketPeerUDP, whose count the engine
// changes atomically. It is used by whoever holds the lock, one thread at a time.
unsafe impl Send for Shared {}

static PEERS: LazyLock<RwLock<FxHashMap<InstanceId, Arc<Handle>>>> = LazyLock::new(RwLock::default);

fn handle_of(id: InstanceId, object: impl FnOnce() -> Gd<PacketPeerDtls>) -> Arc<Handle> {
    if let Some(handle) = PEERS.read().get(&id) {
        return Arc::clone(handle);
    }
    let handle = Arc::clone(&object().bind().handle);
    let _the_same = handle.id.set(id);
    PEERS.write().insert(id, Arc::clone(&handle));
    handle
}

/// What `action` makes of the peer behind `object`, or `busy` if it comes from within another one.
/// Afterwards, when nobody holds the peer, logs what there is to report.
pub(crate) fn with<R>(
    object: &Gd<PacketPeerDtls>,
    busy: R,
    action: impl FnOnce(&mut Peer) -> R,
) -> R {
    with_id(object.instance_id(), || object.clone(), busy, action)
}

/// The same for the object with this id, for whom it is dear to get at.
pub(crate) fn with_id<R>(
    id: InstanceId,
    object: impl FnOnce() -> Gd<PacketPeerDtls>,
    busy: R,
    action: impl FnOnce(&mut Peer) -> R,
) -> R {
    handle_of(id, object).with(busy, action)
}

impl Handle {
    /// What `action` makes of the peer, or `busy` if it comes from within another one.
    pub(crate) fn with<R>(&self, busy: R, action: impl FnOnce(&mut Peer) -> R) -> R {
        let (result, report) = {
            let peer = self.peer.lock();
            let Ok(mut peer) = peer.try_borrow_mut() else {
                return busy;
            };
            (action(&mut peer.0), peer.0.take_report())
        };
        if let Some((level, text)) = report {
            log::log!(level, "{text}");
        }
        result
    }

    /// Says goodbye for an object that is about to be gone.
    pub(crate) fn forget(&self) {
        if let Some(id) = self.id.get() {
            PEERS.write().remove(id);
        }
        self.with((), Peer::free);
    }
}
