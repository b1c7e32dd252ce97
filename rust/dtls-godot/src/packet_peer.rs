//! What is called for every packet or in every frame, by means that gdext calls private, like those of
//! `gdext_private.rs`: gdext borrows an object for each call, and `peers.rs` says what that costs. So
//! `poll` is registered here as well, with its part of the editor's help.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use dtls_core::MAX_PACKET;
use godot::builtin::{GString, StringName, VarDictionary, Variant};
use godot::global::Error;
use godot::meta::ToGodot;
use godot::obj::cap::ImplementsGodotVirtual;
use godot::obj::{EngineEnum, InstanceId};
use godot::private::{
    ClassShard, DocsItem, DocsShard, ITraitImpl, InherentImplDocs, ShardItem, Storage, as_storage,
};
use godot::register::info::MethodFlags;
use godot::register::private::method::ClassMethodInfo;
use godot::sys::{self, GodotFfi, PtrcallType};

use crate::connection::Peer;
use crate::enums::{Reason, Status};
use crate::peer::PacketPeerDtls;
use crate::peers::{self, Handle, Handled};
use crate::server::DtlsServer;
use crate::stats;

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
/// Where the result goes. Numbers have 64 bits on this way.
type Returned = sys::GDExtensionTypePtr;

/// What `action` makes of the object behind `instance`; `otherwise` if that panics.
///
/// # Safety
/// `instance` is what the engine gives to a function of the class `C`.
unsafe fn with_handle<C: Handled, R>(
    instance: Instance,
    otherwise: impl FnOnce() -> R,
    action: impl FnOnce(&C::Handle) -> R,
) -> R {
    let act = AssertUnwindSafe(|| {
        // SAFETY: the engine calls an object only as long as it exists.
        let (storage, id) = unsafe {
            let storage = as_storage::<C>(instance);
            let object = storage.base().obj_sys();
            (storage, sys::interface_fn!(object_get_instance_id)(object))
        };
        let id = InstanceId::from_i64(id.cast_signed());
        action(&peers::handle(id, || storage.get_gd()))
    });
    catch_unwind(act).unwrap_or_else(|_| otherwise())
}

/// What `action` makes of the peer behind `instance`; `otherwise` if it is busy, or if that panics.
///
/// # Safety
/// `instance` is what the engine gives to a function of PacketPeerDtls.
unsafe fn with_peer<R: Copy>(
    instance: Instance,
    otherwise: R,
    action: impl FnOnce(&mut Peer) -> R,
) -> R {
    let act = |handle: &Handle| handle.with(otherwise, action);
    // SAFETY: as the caller promises.
    unsafe { with_handle::<PacketPeerDtls, _>(instance, || otherwise, act) }
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

/// A method without arguments.
trait Method {
    type Class: Handled;
    type Answer: ToGodot<Via: GodotFfi>;

    const NAME: &'static str;
    /// Whether it changes nothing.
    const IS_CONST: bool;

    fn call(handle: &<Self::Class as Handled>::Handle) -> Self::Answer;

    /// What is answered if that panics.
    fn otherwise() -> Self::Answer;

    fn register() {
        let flags = if Self::IS_CONST {
            MethodFlags::NORMAL | MethodFlags::CONST
        } else {
            MethodFlags::NORMAL
        };
        // SAFETY: both functions take no arguments and return what the signature says.
        let method = unsafe {
            ClassMethodInfo::from_signature::<Self::Class, (), Self::Answer>(
                StringName::from(Self::NAME),
                Some(called::<Self>),
                Some(called_typed::<Self>),
                flags,
                &[],
                Vec::new(),
            )
        };
        method.register_extension_class_method();
    }
}

/// A call of a script that does not know the class of the object.
unsafe extern "C" fn called<M: Method + ?Sized>(
    _method: *mut c_void,
    instance: Instance,
    _arguments: *const sys::GDExtensionConstVariantPtr,
    count: sys::GDExtensionInt,
    returned: sys::GDExtensionVariantPtr,
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
    // SAFETY: called by the engine, which gives a variant to put the answer into.
    unsafe {
        let answer = with_handle::<M::Class, _>(instance, M::otherwise, M::call);
        *returned.cast::<Variant>() = answer.to_variant();
    }
}

/// A call that knows the types.
unsafe extern "C" fn called_typed<M: Method + ?Sized>(
    _method: *mut c_void,
    instance: Instance,
    _arguments: Arguments,
    returned: Returned,
) {
    // SAFETY: called by the engine, which gives a value of the type to put the answer into.
    unsafe {
        let answer = with_handle::<M::Class, _>(instance, M::otherwise, M::call);
        answer.to_godot_owned().move_return_ptr(returned, PtrcallType::Standard);
    }
}

/// Defines methods without arguments, whose comments are what the editor's help says about them.
macro_rules! methods {
    ($(
        $(#[doc = $help:literal])+
        $method:ident of $class:ident: $name:literal -> $answer:ty [$shown:literal, $is_const:literal]
            = $otherwise:expr, $call:expr;
    )+) => {
        $(
            struct $method;

            impl Method for $method {
                type Class = $class;
                type Answer = $answer;

                const NAME: &'static str = $name;
                const IS_CONST: bool = $is_const;

                fn call(handle: &<$class as Handled>::Handle) -> $answer {
                    let call: fn(&<$class as Handled>::Handle) -> $answer = $call;
                    call(handle)
                }

                fn otherwise() -> $answer {
                    $otherwise
                }
            }

            sys::shard_add!(godot::private::__GODOT_DOCS_REGISTRY; DocsShard::new::<$class>(
                DocsItem::InherentImpl(InherentImplDocs {
                    methods_xml: concat!(
                        "<method name='", $name, "'><return type='", $shown, "' /><description>",
                        $($help,)+
                        "</description></method>",
                    ),
                    signals_xml: "",
                    constants_xml: "",
                })
            ));
        )+

        /// Registers these methods on their classes.
        pub(crate) fn register() {
            $($method::register();)+
        }
    };
}

methods! {
    /// The state of the connection: [code]STATUS_DISCONNECTED[/code] (0),
    /// [code]STATUS_HANDSHAKING[/code] (1), [code]STATUS_CONNECTED[/code] (2),
    /// [code]STATUS_ERROR[/code] (3), or [code]STATUS_ERROR_HOSTNAME_MISMATCH[/code] (4) when the
    /// server's certificate is valid but for another name. Changes in [method poll].
    GetStatus of PacketPeerDtls: "get_status" -> Status ["Status", true]
        = Status::Error, |handle| handle.status();

    /// Why the connection failed, or could not be begun, in words. Empty when nothing failed.
    GetLastError of PacketPeerDtls: "get_last_error" -> GString ["GString", true]
        = GString::new(), |handle| handle.with(GString::new(), |peer| peer.last_error());

    /// Why the connection failed, for a program to act on. What it is exactly
    /// [method get_last_error] says. [constant REASON_NONE] unless the status is an error.
    GetErrorCode of PacketPeerDtls: "get_error_code" -> Reason ["Reason", true]
        = Reason::None, |handle| handle.with(Reason::None, |peer| peer.reason());

    /// How many bytes a packet may have that is not split on its way: what fits into one datagram of the
    /// MTU, see [member DTLSOptions.mtu]. A larger one is split by the network, and lost when one of its
    /// parts is. 1,163 unless the MTU was changed; while the status is [code]STATUS_CONNECTED[/code] it is
    /// what the cipher suite of this connection leaves, which can be up to 8 bytes more.
    GetMaxUnfragmented of PacketPeerDtls: "get_max_unfragmented_packet_size" -> i64 ["int", true]
        = 0, |handle| handle.with(0, |peer| count(peer.max_packet_size()));

    /// Handles every datagram that waits. During the handshake it also sends again what was not
    /// answered; a packet of the game that got lost stays lost, as with UDP. Call it every frame:
    /// nothing happens without it. Afterwards [method PacketPeer.get_available_packet_count] is the
    /// number of all packets that have arrived.
    Poll of PacketPeerDtls: "poll" -> () ["void", false]
        = (), |handle| handle.with((), Peer::poll);

    /// Why the last call of [method setup], [method setup_tls], [method setup_with_options] or
    /// [method set_psk] failed, or the last one of
    /// [method take_connection] was made with something that cannot be a client, in words. Empty when
    /// nothing failed; why a returned peer is of no use is what that peer says.
    ServerLastError of DtlsServer: "get_last_error" -> GString ["GString", true]
        = GString::new(), |handle| GString::from(&handle.last_error());

    /// What was counted since the first [method setup], by the server itself and by every peer that it
    /// ever took, also those that are gone. The keys are those of
    /// [code]PacketPeerDTLSOpenSSL.get_stats()[/code]. Here [code]handshake_msec[/code] is the sum over
    /// all completed handshakes, and [code]cookies_sent[/code] counts how often a client was asked to
    /// prove its address: much more often than [code]handshakes_started[/code] means that someone
    /// sends from false addresses.
    ServerStats of DtlsServer: "get_stats" -> VarDictionary ["VarDictionary", true]
        = VarDictionary::new(), |handle| stats::dictionary(&handle.stats());
}
