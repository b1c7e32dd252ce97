//! What the engine calls on every PacketPeer, by means that gdext calls private, like those of
//! `gdext_private.rs`: gdext borrows an object for each call (`peers.rs` says what that costs), and these
//! are called for every packet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use dtls_core::MAX_PACKET;
use godot::global::Error;
use godot::obj::cap::ImplementsGodotVirtual;
use godot::obj::{EngineEnum, InstanceId};
use godot::private::{ClassShard, ITraitImpl, ShardItem, Storage, as_storage};
use godot::sys;

use crate::connection::Peer;
use crate::peer::PacketPeerDtls;
use crate::peers;

impl godot::private::You_forgot_the_attribute__godot_api for PacketPeerDtls {}

impl ImplementsGodotVirtual for PacketPeerDtls {
    #[cfg(feature = "api-4-3")]
    fn __virtual_call(name: &str) -> sys::GDExtensionClassCallVirtual {
        virtual_call(name)
    }

    #[cfg(not(feature = "api-4-3"))]
    fn __virtual_call(name: &str, _hash: u32) -> sys::GDExtensionClassCallVirtual {
        virtual_call(name)
    }
}

sys::shard_add!(godot::private::__GODOT_SHARD_REGISTRY; ClassShard::new::<PacketPeerDtls>(
    ShardItem::ITraitImpl(ITraitImpl::new::<PacketPeerDtls>())
));

fn virtual_call(name: &str) -> sys::GDExtensionClassCallVirtual {
    match name {
        "_get_available_packet_count" => Some(get_available_packet_count),
        "_get_max_packet_size" => Some(get_max_packet_size),
        "_get_packet" => Some(get_packet),
        "_put_packet" => Some(put_packet),
        _ => None,
    }
}

/// Whom the engine calls.
type Instance = sys::GDExtensionClassInstancePtr;
/// Pointers to the arguments.
type Arguments = *const sys::GDExtensionConstTypePtr;
/// Where the result goes. All of them are numbers, and those have 64 bits on this way.
type Returned = sys::GDExtensionTypePtr;

/// Writes what `action` makes of the peer behind `instance` to `returned`; `otherwise` if it has none
/// or panics.
///
/// # Safety
/// The first two are what the engine gives to a virtual function of PacketPeerDtls that returns a number.
unsafe fn answer(
    instance: Instance,
    returned: Returned,
    otherwise: i64,
    action: impl FnOnce(&mut Peer) -> i64,
) {
    let act = AssertUnwindSafe(|| {
        // SAFETY: the engine calls an object only as long as it exists.
        let (storage, id) = unsafe {
            let storage = as_storage::<PacketPeerDtls>(instance);
            let object = storage.base().obj_sys();
            (storage, sys::interface_fn!(object_get_instance_id)(object))
        };
        let id = InstanceId::from_i64(id.cast_signed());
        peers::with_id(id, || storage.get_gd(), otherwise, action)
    });
    let result = catch_unwind(act).unwrap_or(otherwise);
    // SAFETY: as the caller promises.
    unsafe { returned.cast::<i64>().write(result) };
}

fn code(error: Error) -> i64 {
    i64::from(error.ord())
}

fn count(number: usize) -> i64 {
    i64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

unsafe extern "C" fn get_available_packet_count(
    instance: Instance,
    _none: Arguments,
    returned: Returned,
) {
    // SAFETY: called by the engine.
    unsafe { answer(instance, returned, 0, |peer| count(peer.received())) }
}

unsafe extern "C" fn get_max_packet_size(instance: Instance, _none: Arguments, returned: Returned) {
    // SAFETY: called by the engine.
    unsafe { answer(instance, returned, 0, |peer| count(peer.max_packet_size())) }
}

/// `_get_packet(const uint8_t **r_buffer, int32_t *r_buffer_size)`
unsafe extern "C" fn get_packet(instance: Instance, arguments: Arguments, returned: Returned) {
    // SAFETY: the engine gives two arguments of these types, which are null or can be written to.
    unsafe {
        let buffer = *(*arguments).cast::<*mut *const u8>();
        let size = *(*arguments.add(1)).cast::<*mut i32>();
        answer(instance, returned, code(Error::ERR_BUSY), |peer| {
            if buffer.is_null() || size.is_null() {
                return code(Error::ERR_INVALID_PARAMETER);
            }
            let Some(packet) = peer.receive() else {
                return code(Error::ERR_UNAVAILABLE);
            };
            let length = i32::try_from(packet.len()).unwrap_or(0);
            buffer.write(packet.as_ptr());
            size.write(length);
            code(Error::OK)
        });
    }
}

/// `_put_packet(const uint8_t *p_buffer, int32_t p_buffer_size)`
unsafe extern "C" fn put_packet(instance: Instance, arguments: Arguments, returned: Returned) {
    // SAFETY: the engine gives two arguments of these types, and a buffer that is null or can be read
    // for that size.
    unsafe {
        let buffer = *(*arguments).cast::<*const u8>();
        let size = *(*arguments.add(1)).cast::<i64>();
        answer(instance, returned, code(Error::ERR_BUSY), |peer| {
            let Ok(size) = usize::try_from(size) else {
                return code(Error::ERR_INVALID_PARAMETER);
            };
            let is_readable = (1..=MAX_PACKET).contains(&size);
            if is_readable && buffer.is_null() {
                return code(Error::ERR_INVALID_PARAMETER);
            }
            // Nothing to read, or more than may be sent; which of the two the peer says.
            let payload = if is_readable { &*ptr::slice_from_raw_parts(buffer, size) } else { &[] };
            code(peer.send(payload, size))
        });
    }
}
