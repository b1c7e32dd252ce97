//! Methods that do not borrow the object, with their part of the editor's help.

use std::ffi::c_void;

use godot::builtin::{StringName, Variant};
use godot::global::Error;
use godot::meta::conv::{ByValue, InParamTuple};
use godot::meta::error::CallError;
use godot::meta::shape::GodotShape;
use godot::meta::{GodotConvert, ToGodot};
use godot::obj::EngineEnum;
use godot::private::CallContext;
use godot::register::info::MethodFlags;
use godot::register::private::method::ClassMethodInfo;
use godot::sys::{self, GodotFfi, PtrcallType};

use super::instance::{Arguments, Instance, Returned, with_handle};
use crate::engine::handles::HasHandle;

/// A method, with as many arguments as `Given` has.
pub(crate) trait Method {
    type Class: HasHandle;
    type Given: InParamTuple;
    type Answer: ToGodot<Via: GodotFfi>;

    const NAME: &'static str;
    const ARGUMENTS: &'static [&'static str];
    /// Whether it changes nothing.
    const IS_CONST: bool;

    fn call(handle: &<Self::Class as HasHandle>::Handle, given: Self::Given) -> Self::Answer;

    /// What is answered if that panics, or an argument has another type.
    fn otherwise() -> Self::Answer;

    fn register() {
        let flags = if Self::IS_CONST {
            MethodFlags::NORMAL | MethodFlags::CONST
        } else {
            MethodFlags::NORMAL
        };
        // SAFETY: both functions take the arguments and return what the signature says.
        let method = unsafe {
            ClassMethodInfo::from_signature::<Self::Class, Self::Given, Self::Answer>(
                StringName::from(Self::NAME),
                Some(called::<Self>),
                Some(called_typed::<Self>),
                flags,
                Self::ARGUMENTS,
                Vec::new(),
            )
        };
        method.register_extension_class_method();
    }
}

/// One of the engine's error codes as an answer: gdext has it as a number of 32 bits, and the engine takes 64.
#[derive(Debug)]
pub(crate) struct ErrorCode(pub(crate) Error);

impl GodotConvert for ErrorCode {
    type Via = i64;

    fn godot_shape() -> GodotShape {
        Error::godot_shape()
    }
}

impl ToGodot for ErrorCode {
    type Pass = ByValue;

    fn to_godot(&self) -> i64 {
        i64::from(self.0.ord())
    }
}

/// The answer to a call, if its arguments are what they have to be.
///
/// # Safety
/// `instance` is what the engine gives to a method of this class.
unsafe fn answer<M: Method + ?Sized>(
    instance: Instance,
    given: impl FnOnce(&CallContext<'_>) -> Result<M::Given, CallError>,
) -> Result<M::Answer, M::Answer> {
    let Ok(given) = given(&CallContext::func("", M::NAME)) else {
        return Err(M::otherwise());
    };
    // SAFETY: as the caller promises.
    Ok(unsafe {
        with_handle::<M::Class, _>(instance, M::otherwise, |handle| M::call(handle, given))
    })
}

/// A call of a script that does not know the class of the object.
unsafe extern "C" fn called<M: Method + ?Sized>(
    _method: *mut c_void,
    instance: Instance,
    arguments: *const sys::GDExtensionConstVariantPtr,
    count: sys::GDExtensionInt,
    returned: sys::GDExtensionVariantPtr,
    error: *mut sys::GDExtensionCallError,
) {
    let expected = M::ARGUMENTS.len();
    let given = usize::try_from(count).unwrap_or_default();
    let fail = |what: sys::GDExtensionCallErrorType| {
        // SAFETY: the engine gives an error that can be written to.
        unsafe {
            (*error).error = what;
            (*error).argument = 0;
            (*error).expected = i32::try_from(expected).unwrap_or_default();
        }
    };
    if given != expected {
        fail(if given > expected {
            sys::GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS
        } else {
            sys::GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS
        });
        return;
    }
    // SAFETY: called by the engine, which gives so many variants, and one to put the answer into.
    let answered = unsafe {
        answer::<M>(instance, |context| M::Given::from_varcall_args(arguments, given, &[], context))
    };
    if answered.is_err() {
        fail(sys::GDEXTENSION_CALL_ERROR_INVALID_ARGUMENT);
    }
    let (Ok(answer) | Err(answer)) = answered;
    // SAFETY: as above.
    unsafe { *returned.cast::<Variant>() = answer.to_variant() };
}

/// A call that knows the types.
unsafe extern "C" fn called_typed<M: Method + ?Sized>(
    _method: *mut c_void,
    instance: Instance,
    arguments: Arguments,
    returned: Returned,
) {
    // SAFETY: called by the engine, which gives arguments of the types, and a value of the type to put the answer
    // into.
    unsafe {
        let answered = answer::<M>(instance, |context| {
            M::Given::from_ptrcall_args(arguments, PtrcallType::Standard, context)
        });
        let (Ok(answer) | Err(answer)) = answered;
        answer.to_godot_owned().move_return_ptr(returned, PtrcallType::Standard);
    }
}

/// Defines methods of a class, and `register`, which registers them. The comments are what the editor's help
/// says about them.
macro_rules! methods {
    ($class:ident: $(
        $(#[doc = $help:literal])+
        $method:ident: $name:literal
            $(($($argument:ident: $type:ty [$shown_type:literal]),+))?
            -> $answer:ty [$shown:literal, $is_const:literal]
            = $otherwise:expr, |$handle:ident| $call:expr;
    )+) => {
        $(
            struct $method;

            impl $crate::gdext_private::methods::Method for $method {
                type Class = $class;
                type Given = ($($($type,)+)?);
                type Answer = $answer;

                const NAME: &'static str = $name;
                const ARGUMENTS: &'static [&'static str] = &[$($(stringify!($argument),)+)?];
                const IS_CONST: bool = $is_const;

                fn call(
                    $handle: &<$class as $crate::engine::handles::HasHandle>::Handle,
                    ($($($argument,)+)?): Self::Given,
                ) -> $answer {
                    $call
                }

                fn otherwise() -> $answer {
                    $otherwise
                }
            }

            $crate::gdext_private::help::add_help!(
                $class,
                methods: concat!(
                    "<method name='", $name, "'><return type='", $shown, "' />",
                    $($($crate::gdext_private::methods::parameter!($argument, $shown_type),)+)?
                    "<description>",
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

/// A parameter in the editor's help. It shows them in the order in which they are here.
macro_rules! parameter {
    ($name:ident, $type:literal) => {
        concat!("<param name='", stringify!($name), "' type='", $type, "' />")
    };
}

pub(crate) use methods;
pub(crate) use parameter;
