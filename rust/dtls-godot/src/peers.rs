//! The way from an engine object to what is behind it.
//!
//! gdext has its own, `bind`: with the feature for threads it takes several locks, and makes one or two
//! system calls each time to wake those who wait, whether there is anyone or not. That was more than a
//! packet takes otherwise. So a class has a handle only, which is found here by the object's id.
//!
//! One thread at a time has a peer. Who is called by the peer itself and comes back here (the engine
//! prints something, and a script listens to that) is told that it is busy; its status is known then, too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use godot::obj::{Gd, GodotClass, Inherits, InstanceId};
use parking_lot::{ReentrantMutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::connection::Peer;
use crate::enums::Status;
use crate::logging::Holder;
use crate::peer::PacketPeerDtls;

/// A class whose objects have a handle.
pub(crate) trait Handled: GodotClass + Inherits<<Self as GodotClass>::Base> {
    /// What is behind an object.
    type Handle: 'static;

    /// Asks an object, which gdext lends out for that.
    fn handle_of(object: &Gd<Self>) -> Arc<Self::Handle>;

    /// Those that were asked.
    fn known() -> &'static Known<Self::Handle>;
}

/// The handles of a class, by the ids of their objects.
pub(crate) struct Known<H>(RwLock<FxHashMap<InstanceId, Arc<H>>>);

impl<H> Known<H> {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(HashMap::with_hasher(FxBuildHasher)))
    }

    /// To be called when the object with this id is about to be gone.
    pub(crate) fn forget(&self, id: InstanceId) {
        self.0.write().remove(&id);
    }
}

/// The handle of the object with this id. `object` is asked for the object at the first time only.
pub(crate) fn handle<C: Handled>(id: InstanceId, object: impl FnOnce() -> Gd<C>) -> Arc<C::Handle> {
    if let Some(handle) = C::known().0.read().get(&id) {
        return Arc::clone(handle);
    }
    let handle = C::handle_of(&object());
    C::known().0.write().insert(id, Arc::clone(&handle));
    handle
}

/// What a peer has.
#[derive(Default)]
pub(crate) struct Handle {
    /// The object's, once it was asked for.
    id: OnceLock<InstanceId>,
    peer: ReentrantMutex<RefCell<Shared>>,
    /// The peer's status after the last call.
    status: AtomicU8,
}

#[derive(Default)]
struct Shared(Peer);

// SAFETY: what keeps a peer from being sent is its reference to a PacketPeerUDP, whose count the engine
// changes atomically. It is used by whoever holds the lock, one thread at a time.
unsafe impl Send for Shared {}

impl Handled for PacketPeerDtls {
    type Handle = Handle;

    fn handle_of(object: &Gd<Self>) -> Arc<Handle> {
        let handle = Arc::clone(&object.bind().handle);
        let _the_same = handle.id.set(object.instance_id());
        handle
    }

    fn known() -> &'static Known<Handle> {
        static KNOWN: Known<Handle> = Known::new();
        &KNOWN
    }
}

/// What `action` makes of the peer behind `object`, or `busy` if it comes from within another one.
/// Afterwards, when nobody holds the peer, logs what there is to report.
pub(crate) fn with<R>(
    object: &Gd<PacketPeerDtls>,
    busy: R,
    action: impl FnOnce(&mut Peer) -> R,
) -> R {
    handle(object.instance_id(), || object.clone()).with(busy, action)
}

impl PacketPeerDtls {
    /// A new one, of which `action` makes something. gdext is not asked for it even once.
    pub(crate) fn made(action: impl FnOnce(&mut Peer)) -> Gd<Self> {
        let handle = Arc::new(Handle::default());
        let object = Gd::from_init_fn(|_| Self { handle: Arc::clone(&handle) });
        let _the_first = handle.id.set(object.instance_id());
        Self::known().0.write().insert(object.instance_id(), Arc::clone(&handle));
        handle.with((), action);
        object
    }
}

impl Handle {
    /// What `action` makes of the peer, or `busy` if it comes from within another one.
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

    /// The status that the last call has left. Whoever asks during a call does not wait for its end.
    pub(crate) fn status(&self) -> Status {
        let number = self.status.load(Ordering::Acquire);
        Status::ALL.get(usize::from(number)).map_or(Status::Error, |(_, status)| *status)
    }

    /// Says goodbye for an object that is about to be gone.
    pub(crate) fn forget(&self) {
        if let Some(id) = self.id.get() {
            PacketPeerDtls::known().forget(*id);
        }
        self.with((), Peer::free);
    }
}
