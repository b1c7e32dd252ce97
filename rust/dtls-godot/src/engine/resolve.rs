//! Addresses of host names, from the engine's own queue.
//!
//! The engine asks the system in a thread of its own, for one name after the other. Nothing can end such a
//! question before it is answered, and whoever waited for that thread would stand still for as long.

use std::mem;
use std::net::IpAddr;

use godot::builtin::GString;
use godot::classes::Ip;
use godot::classes::ip::ResolverStatus;
use godot::obj::Singleton;
use parking_lot::Mutex;

/// A name whose addresses are looked up. To drop it is not to want to know any more.
pub(crate) struct Lookup {
    item: i32,
}

/// Items of the queue that nobody waits for, but the engine. It writes its answer into the item that it has read the
/// name from, whatever that item is for by then (`resolve_queues` in `core/io/ip.cpp`). So none is erased, and its
/// place taken by another name, before it has been answered.
static ABANDONED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

impl Lookup {
    /// How many items the queue has, which the game may use, too.
    pub(crate) const MOST: i32 = Ip::RESOLVER_MAX_QUERIES;

    /// Has the engine look for `name`. `None`: its queue is full.
    pub(crate) fn begin(name: &str) -> Option<Self> {
        erase_abandoned();
        let item = Ip::singleton().resolve_hostname_queue_item(name);
        (item != Ip::RESOLVER_INVALID_ID).then(|| Self { item })
    }

    /// What was found, in the order of the system, and nothing if the name has no address. `None` as long as it is
    /// looked for.
    pub(crate) fn found(&self) -> Option<Vec<IpAddr>> {
        match Ip::singleton().get_resolve_item_status(self.item) {
            ResolverStatus::WAITING => None,
            ResolverStatus::DONE => {
                let addresses = Ip::singleton().get_resolve_item_addresses(self.item);
                let addresses = addresses.iter_shared();
                let addresses = addresses.filter_map(|it| it.try_to::<GString>().ok());
                Some(addresses.filter_map(|it| it.to_string().parse().ok()).collect())
            }
            _ => Some(Vec::new()),
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        ABANDONED.lock().push(self.item);
        erase_abandoned();
    }
}

/// Erases the items that have been answered.
fn erase_abandoned() {
    // Not locked while the engine is called: it may print something, and a script that listens to the console may
    // connect.
    let mut items = mem::take(&mut *ABANDONED.lock());
    let mut ip = Ip::singleton();
    items.retain(|item| {
        let waits = ip.get_resolve_item_status(*item) == ResolverStatus::WAITING;
        if !waits {
            ip.erase_resolve_item(*item);
        }
        waits
    });
    ABANDONED.lock().append(&mut items);
}
