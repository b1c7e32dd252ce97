//! What is called for every packet or in every frame, by means that gdext calls private, like those of
//! `gdext_private.rs`: gdext borrows an object for each call, and `peers.rs` says what that costs. So
//! `poll` is registered here as well, with its part of the editor's help.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use dtls_core::MAX_PACKET;
use godot::builtin::StringName;
use godot::global::Error;
use godot::obj::cap::ImplementsGodotVirtual;
use godot::obj::{EngineEnum, InstanceId};
use godot::private::{
    ClassShard, DocsItem, DocsShard, ITraitImpl, InherentImplDocs, ShardItem, Storage, as_storage,
};
use godot::register::info::MethodFlags;
use godot::register::private::method::ClassMethodInfo;
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

/// What `action` makes of the peer behind `instance`; `otherwise` if it is busy, or if that panics.
///
/// # Safety
/// `instance` is what the engine gives to a function of PacketPeerDtls.
unsafe fn with_peer<R: Copy>(
    instance: Instance,
    otherwise: R,
    action: impl FnOnce(&mut Peer) -> R,
) -> R {
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
    catch_unwind(act).unwrap_or(otherwise)
}

/// Writes what `action` makes of the peer behind `instance` to `returned`.
///
/// # Safety
/// Both are what the engine gives to a virtual function of PacketPeerDtls that returns a number.
unsafe fn answer(
    instance: Instance,
    returned: Returned,
    otherwise: i64,
    action: impl FnOnce(&mut Peer) -> i64,
) {
    // SAFETY: as the caller promises.
    unsafe { returned.cast::<i64>().write(with_peer(instance, otherwise, action)) }
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

/// What the editor's help says about it.
const POLL_HELP: &str = "\
    <method name='poll'><return type='void' /><description>\
    Handles every datagram that waits. During the handshake it also sends again what was not answered; \
    a packet of the game that got lost stays lost, as with UDP. Call it every frame: nothing happens \
    without it. Afterwards [method PacketPeer.get_available_packet_count] is the number of \
    all packets that have arrived.\
    </description></method>";

sys::shard_add!(godot::private::__GODOT_DOCS_REGISTRY; DocsShard::new::<PacketPeerDtls>(
    DocsItem::InherentImpl(InherentImplDocs {
        methods_xml: POLL_HELP,
        signals_xml: "",
        constants_xml: "",
    })
));

/// Registers `poll` on the peer's class.
pub(crate) fn register_poll() {
    let (name, flags) = (StringName::from("poll"), MethodFlags::DEFAULT);
    // SAFETY: both functions take no arguments and return nothing, as the signature says.
    let method = unsafe {
        ClassMethodInfo::from_signature::<PacketPeerDtls, (), ()>(
            name,
            Some(poll),
            Some(poll_typed),
            flags,
            &[],
            Vec::new(),
        )
    };
    method.register_extension_class_method();
}

unsafe extern "C" fn poll(
    _method: *mut c_void,
    instance: Instance,
    _arguments: *const sys::GDExtensionConstVariantPtr,
    count: sys::GDExtensionInt,
    _returned: sys::GDExtensionVariantPtr,
    error: *mut sys::GDExtensionCallError,
) {
    if count > 0 {
        // SAFETY: the engine gives a place for the error.
        unsafe {
            (*error).error = sys::GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS;
            (*error).expected = 0;
        }
        return;
    }
    // SAFETY: called by the engine.
    unsafe { with_peer(instance, (), Peer::poll) }
}

unsafe extern "C" fn poll_typed(
    _method: *mut c_void,
    instance: Instance,
    _arguments: Arguments,
    _returned: Returned,
) {
    // SAFETY: called by the engine.
    unsafe { with_peer(instance, (), Peer::poll) }
}
