//! A class enum: registered by hand, under a name that `ClassDB.class_get_enum_list` gives, with its part of
//! the class's page in the editor's help.
//!
//! `class_enum!` defines the Rust type and needs only the class's name. `class_enums!` stands beside the class
//! and registers its enums on it.

use godot::builtin::{StringName, VariantType};
use godot::meta::shape::{EnumeratorShape, GodotShape};
use godot::obj::GodotClass;
use godot::register::private::constant::{ConstantKind, ExportConstant, IntegerConstant};

/// Defines an enum of a class, whose comments are what the editor's help says about its constants.
macro_rules! class_enum {
    (
        $(#[$doc:meta])*
        $name:ident of $class_name:expr => {
            $($(#[doc = $help:literal])+ $constant:ident => $value:ident = $number:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[doc = $help])+ $value = $number,)+
        }

        impl $name {
            pub(crate) const NAME: &str = stringify!($name);
            pub(crate) const ALL: &[(&'static str, Self)] = &[$((stringify!($constant), Self::$value),)+];
            /// What the editor's help says, as XML.
            pub(crate) const HELP: &str = concat!($(
                "<constant name='", stringify!($constant),
                "' value='", stringify!($number),
                "' enum='", stringify!($name), "'>",
                $($help,)+
                "</constant>",
            )+);

            pub(crate) fn constants() -> impl Iterator<Item = (&'static str, i64)> {
                Self::ALL.iter().map(|(name, value)| (*name, *value as i64))
            }
        }

        impl godot::meta::GodotConvert for $name {
            type Via = i64;

            fn godot_shape() -> godot::meta::shape::GodotShape {
                let name = format!("{}.{}", $class_name, Self::NAME);
                $crate::gdext_private::class_enum::shape(name, Self::constants())
            }
        }

        // SAFETY: it is a number, so there is nothing in a default that could be changed.
        unsafe impl godot::meta::GodotImmutable for $name {}

        impl godot::meta::ToGodot for $name {
            type Pass = godot::meta::conv::ByValue;

            fn to_godot(&self) -> i64 {
                *self as i64
            }
        }

        impl godot::meta::FromGodot for $name {
            fn try_from_godot(via: i64) -> Result<Self, godot::meta::error::ConvertError> {
                let found = Self::ALL.iter().find(|(_, value)| *value as i64 == via);
                let unknown = || godot::meta::error::ConvertError::new(concat!("not a ", stringify!($name)));
                found.map(|(_, value)| *value).ok_or_else(unknown)
            }
        }
    };
}

/// Defines `register_enums`, which registers enums on their class, and adds them to the class's help.
macro_rules! class_enums {
    ($class:ident: $($name:ident),+) => {
        $($crate::gdext_private::help::add_help!($class, methods: "", constants: $name::HELP);)+

        /// Registers the enums of the class.
        pub(crate) fn register_enums() {
            $($crate::gdext_private::class_enum::register::<$class>($name::NAME, $name::constants());)+
        }
    };
}

pub(crate) use {class_enum, class_enums};

/// Registers an enum and its constants on its class.
pub(crate) fn register<C: GodotClass>(
    name: &str,
    constants: impl Iterator<Item = (&'static str, i64)>,
) {
    let enumerators = constants.map(|(name, value)| IntegerConstant::new(name, value)).collect();
    let kind = ConstantKind::Enum { name: StringName::from(name), enumerators };
    ExportConstant::new(C::class_id(), kind).register();
}

/// What an enum is for gdext. The Inspector shows "Pin Mismatch" for `REASON_PIN_MISMATCH`.
pub(crate) fn shape(
    name: String,
    constants: impl Iterator<Item = (&'static str, i64)>,
) -> GodotShape {
    let enumerators = constants.map(|(constant, value)| {
        let mut shape = EnumeratorShape::new_int(constant, value);
        shape.name = shown_name(constant).into();
        shape
    });
    GodotShape::Enum {
        variant_type: VariantType::INT,
        enumerators: enumerators.collect(),
        godot_name: Some(name.into()),
        is_bitfield: false,
    }
}

fn shown_name(constant: &str) -> String {
    let words = constant.split('_').skip(1).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    });
    words.collect::<Vec<_>>().join(" ")
}
