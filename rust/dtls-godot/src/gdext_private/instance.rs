//! From what the engine calls to the handle of the object, without borrowing the object.

use std::panic::{AssertUnwindSafe, catch_unwind};

use godot::obj::InstanceId;
use godot::private::{Storage, as_storage};
use godot::sys;

use crate::engine::handles::{self, HasHandle};

/// The object that the engine calls.
pub(super) type Instance = sys::GDExtensionClassInstancePtr;
/// Pointers to the arguments.
pub(super) type Arguments = *const sys::GDExtensionConstTypePtr;
/// Where the result goes. Numbers have 64 bits on this way.
pub(super) type Returned = sys::GDExtensionTypePtr;

/// What `action` makes of the handle of `instance`; `otherwise` if that panics.
///
/// # Safety
/// `instance` is what the engine gives to a function of the class `C`.
pub(super) unsafe fn with_handle<C: HasHandle, R>(
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
        action(&handles::handle_by_id(id, || storage.get_gd()))
    });
    catch_unwind(act).unwrap_or_else(|_| otherwise())
}
