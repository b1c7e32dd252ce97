//! Methods without arguments that do not borrow the object, with their part of the editor's help.

use std::ffi::c_void;

use godot::builtin::{StringName, Variant};
use godot::meta::ToGodot;
use godot::register::info::MethodFlags;
use godot::register::private::method::ClassMethodInfo;
use godot::sys::{self, GodotFfi, PtrcallType};

use super::instance::{Arguments, Instance, Returned, with_handle};
use crate::engine::handles::HasHandle;

/// A method without arguments.
pub(crate) trait Method {
    type Class: HasHandle;
    type Answer: ToGodot<Via: GodotFfi>;

    const NAME: &'static str;
    /// Whether it changes nothing.
    const IS_CONST: bool;

    fn call(handle: &<Self::Class as HasHandle>::Handle) -> Self::Answer;

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
        // SAFETY: the engine gives an error that can be written to.
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

/// Defines methods of a class, and `register`, which registers them. The comments are what the editor's help
/// says about them.
macro_rules! methods {
    ($class:ident: $(
        $(#[doc = $help:literal])+
        $method:ident: $name:literal -> $answer:ty [$shown:literal, $is_const:literal]
            = $otherwise:expr, $call:expr;
    )+) => {
        $(
            struct $method;

            impl $crate::gdext_private::methods::Method for $method {
                type Class = $class;
                type Answer = $answer;

                const NAME: &'static str = $name;
                const IS_CONST: bool = $is_const;

                fn call(handle: &<$class as $crate::engine::handles::HasHandle>::Handle) -> $answer {
                    let call: fn(&<$class as $crate::engine::handles::HasHandle>::Handle) -> $answer = $call;
                    call(handle)
                }

                fn otherwise() -> $answer {
                    $otherwise
                }
            }

            $crate::gdext_private::help::add_help!(
                $class,
                methods: concat!(
                    "<method name='", $name, "'><return type='", $shown, "' /><description>",
                    $($help,)+
                    "</description></method>",
                ),
                constants: ""
            );
        )+

        /// Registers these methods on their class.
        pub(crate) fn register() {
            $(<$method as $crate::gdext_private::methods::Method>::register();)+
        }
    };
}

pub(crate) use methods;
