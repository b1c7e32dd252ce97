//! The way from an engine object to its handle, in which a class keeps its state.
//!
//! gdext has its own, `bind`: with the feature for threads it takes several locks, and makes one or two
//! system calls each time to wake the threads that wait, whether there is one or not. That was more than a
//! packet takes otherwise. So the object has a handle only, which is found here by the object's id, and the
//! handle has a lock of its own.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use godot::obj::bounds::DeclUser;
use godot::obj::{Bounds, Gd, GodotClass, Inherits, InstanceId};
use parking_lot::RwLock;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// A class whose objects have a handle.
pub(crate) trait HasHandle:
    Bounds<Declarer = DeclUser> + GodotClass + Inherits<<Self as GodotClass>::Base>
{
    type Handle: Default + Send + Sync + 'static;

    /// The field that holds the handle.
    fn registered(&self) -> &Registered<Self::Handle>;
}

/// The handles of all objects that were asked for theirs, each an `Entry` of its class's handle.
static HANDLES: RwLock<FxHashMap<InstanceId, Arc<dyn Any + Send + Sync>>> =
    RwLock::new(HashMap::with_hasher(FxBuildHasher));

/// A handle, and the id that it is registered under.
#[derive(Default)]
pub(crate) struct Entry<H> {
    id: OnceLock<InstanceId>,
    handle: H,
}

impl<H> Deref for Entry<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handle
    }
}

/// An object's handle. It cannot be found any more once the object is gone.
#[derive(Default)]
pub(crate) struct Registered<H>(Arc<Entry<H>>);

impl<H> Registered<H> {
    /// The handle, for who needs it as long as the object is there or longer.
    pub(crate) fn entry(&self) -> Arc<Entry<H>> {
        Arc::clone(&self.0)
    }
}

impl<H> Deref for Registered<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0
    }
}

impl<H> Drop for Registered<H> {
    fn drop(&mut self) {
        if let Some(id) = self.0.id.get() {
            HANDLES.write().remove(id);
        }
    }
}

fn register<H: Send + Sync + 'static>(entry: &Arc<Entry<H>>, id: InstanceId) {
    let _the_same = entry.id.set(id);
    HANDLES.write().insert(id, Arc::<Entry<H>>::clone(entry));
}

/// The handle of the object with this id. `object` is called the first time only; gdext lends the object
/// out then.
pub(crate) fn handle_by_id<C: HasHandle>(
    id: InstanceId,
    object: impl FnOnce() -> Gd<C>,
) -> Arc<Entry<C::Handle>> {
    let known = HANDLES.read().get(&id).cloned();
    if let Some(Ok(entry)) = known.map(Arc::downcast) {
        return entry;
    }
    let entry = Arc::clone(&object().bind().registered().0);
    register(&entry, id);
    entry
}

/// The handle of `object`.
pub(crate) fn handle_of<C: HasHandle>(object: &Gd<C>) -> Arc<Entry<C::Handle>> {
    handle_by_id(object.instance_id(), || object.clone())
}

/// A new object with its handle, which gdext need not lend out even once.
pub(crate) fn new_object<C: HasHandle>(
    make: impl FnOnce(Registered<C::Handle>) -> C,
) -> (Gd<C>, Arc<Entry<C::Handle>>) {
    let registered = Registered::<C::Handle>::default();
    let entry = registered.entry();
    (object_of(registered, make), entry)
}

/// A new object for a handle that was there before.
pub(crate) fn object_of<C: HasHandle>(
    registered: Registered<C::Handle>,
    make: impl FnOnce(Registered<C::Handle>) -> C,
) -> Gd<C> {
    let entry = registered.entry();
    let object = Gd::from_init_fn(|_| make(registered));
    register(&entry, object.instance_id());
    object
}
