//! The functions of a PacketPeerExtension that the engine calls for every packet, without gdext's borrowing of
//! the object.

use std::ptr;

use dtls_core::MAX_PACKET;
use godot::global::Error;
use godot::obj::EngineEnum;
use godot::sys;

use super::instance::{Arguments, Instance, Returned, with_handle};
use crate::engine::handles::HasHandle;

/// A class that extends PacketPeerExtension.
pub(crate) trait PacketPeerFunctions: HasHandle {
    fn available_packet_count(handle: &Self::Handle) -> usize;

    fn max_packet_size(handle: &Self::Handle) -> usize;

    /// Gives the oldest packet to `hand_out`. It stays where it is until this thread calls again: the engine
    /// copies it after the call.
    fn get_packet(handle: &Self::Handle, hand_out: impl FnOnce(&[u8])) -> Error;

    /// Sends a packet of `size` bytes. `payload` is empty if it is too large to be sent.
    fn put_packet(handle: &Self::Handle, payload: &[u8], size: usize) -> Error;
}

/// Has the engine call the `PacketPeerFunctions` of a class.
macro_rules! packet_peer_extension {
    ($class:ident) => {
        impl godot::private::You_forgot_the_attribute__godot_api for $class {}

        impl godot::obj::cap::ImplementsGodotVirtual for $class {
            fn __virtual_call(name: &str) -> godot::sys::GDExtensionClassCallVirtual {
                $crate::gdext_private::packet_peer::virtual_call::<Self>(name)
            }
        }

        godot::sys::shard_add!(
            godot::private::__GODOT_SHARD_REGISTRY;
            godot::private::ClassShard::new::<$class>(godot::private::ShardItem::ITraitImpl(
                godot::private::ITraitImpl::new::<$class>()
            ))
        );
    };
}

pub(crate) use packet_peer_extension;

/// The function that the engine calls by this name, if there is one.
pub(crate) fn virtual_call<C: PacketPeerFunctions>(name: &str) -> sys::GDExtensionClassCallVirtual {
    match name {
        "_get_available_packet_count" => Some(get_available_packet_count::<C>),
        "_get_max_packet_size" => Some(get_max_packet_size::<C>),
        "_get_packet" => Some(get_packet::<C>),
        "_put_packet" => Some(put_packet::<C>),
        _ => None,
    }
}

/// A count as the engine takes it: it cuts a number to 32 bits.
pub(crate) fn count(number: usize) -> i64 {
    i64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

unsafe extern "C" fn get_available_packet_count<C: PacketPeerFunctions>(
    instance: Instance,
    _none: Arguments,
    returned: Returned,
) {
    // SAFETY: called by the engine, which takes a number.
    unsafe {
        let packets = with_handle::<C, _>(instance, || 0, C::available_packet_count);
        returned.cast::<i64>().write(count(packets));
    }
}

unsafe extern "C" fn get_max_packet_size<C: PacketPeerFunctions>(
    instance: Instance,
    _none: Arguments,
    returned: Returned,
) {
    // SAFETY: called by the engine, which takes a number.
    unsafe {
        let size = with_handle::<C, _>(instance, || 0, C::max_packet_size);
        returned.cast::<i64>().write(count(size));
    }
}

/// `_get_packet(const uint8_t **r_buffer, int32_t *r_buffer_size)`
unsafe extern "C" fn get_packet<C: PacketPeerFunctions>(
    instance: Instance,
    arguments: Arguments,
    returned: Returned,
) {
    // SAFETY: the engine gives two arguments of these types, which are null or can be written to.
    unsafe {
        let buffer = *(*arguments).cast::<*mut *const u8>();
        let size = *(*arguments.add(1)).cast::<*mut i32>();
        answer::<C>(instance, returned, |handle| {
            if buffer.is_null() || size.is_null() {
                return Error::ERR_INVALID_PARAMETER;
            }
            C::get_packet(handle, |packet| {
                buffer.write(packet.as_ptr());
                size.write(i32::try_from(packet.len()).unwrap_or(0));
            })
        });
    }
}

/// `_put_packet(const uint8_t *p_buffer, int32_t p_buffer_size)`
unsafe extern "C" fn put_packet<C: PacketPeerFunctions>(
    instance: Instance,
    arguments: Arguments,
    returned: Returned,
) {
    // SAFETY: the engine gives two arguments of these types, and a buffer that is null or can be read
    // for that size.
    unsafe {
        let buffer = *(*arguments).cast::<*const u8>();
        let size = *(*arguments.add(1)).cast::<i64>();
        answer::<C>(instance, returned, |handle| {
            let Ok(size) = usize::try_from(size) else {
                return Error::ERR_INVALID_PARAMETER;
            };
            let is_readable = (1..=MAX_PACKET).contains(&size);
            if is_readable && buffer.is_null() {
                return Error::ERR_INVALID_PARAMETER;
            }
            // Empty, or more than may be sent; which of the two the class says.
            let payload = if is_readable { &*ptr::slice_from_raw_parts(buffer, size) } else { &[] };
            C::put_packet(handle, payload, size)
        });
    }
}

/// Writes what `action` makes of the handle of `instance` to `returned`.
///
/// # Safety
/// Both are what the engine gives to a virtual function of `C` that returns an `Error`.
unsafe fn answer<C: PacketPeerFunctions>(
    instance: Instance,
    returned: Returned,
    action: impl FnOnce(&C::Handle) -> Error,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let error = with_handle::<C, _>(instance, || Error::ERR_BUSY, action);
        returned.cast::<i64>().write(i64::from(error.ord()));
    }
}
