//! What gdext's macros cannot express yet, by means that gdext calls private. This file is why
//! Cargo.toml pins gdext to one version.
//!
//! - A class enum: registered by hand, under a name that `ClassDB.class_get_enum_list` gives, with its
//!   part of the class's page in the editor's help.
//! - An object argument with `null` as its default.
//! - Class names that several threads can use.

use godot::classes::{
    CryptoKey, FileAccess, Object, Os, PacketPeer, PacketPeerExtension, PacketPeerUdp,
    ProjectSettings, RefCounted, Resource, TlsOptions, X509Certificate,
};
use godot::meta::conv::ByValue;
use godot::meta::error::ConvertError;
use godot::meta::shape::GodotShape;
use godot::meta::{FromGodot, GodotConvert, GodotImmutable, ToGodot};
use godot::obj::{Gd, GodotClass};

use crate::crypto::DtlsCrypto;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;
use crate::server::DtlsServer;

/// Defines an enum of a class, whose comments are what the editor's help says about its constants.
macro_rules! class_enum {
    (
        $(#[$doc:meta])*
        $name:ident of $class:ident {
            $($(#[doc = $help:literal])+ $constant:ident => $value:ident = $number:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[doc = $help])+ $value = $number,)+
        }

        impl $name {
            pub(crate) const ALL: &[(&'static str, Self)] = &[$((stringify!($constant), Self::$value),)+];

            /// Registers the enum and its constants on its class.
            pub(crate) fn register() {
                let enumerators = Self::ALL
                    .iter()
                    .map(|(name, value)| godot::register::private::constant::IntegerConstant::new(*name, *value as i64))
                    .collect();
                let kind =
                    godot::register::private::constant::ConstantKind::Enum { name: godot::builtin::StringName::from(stringify!($name)), enumerators };
                godot::register::private::constant::ExportConstant::new(<$class as godot::obj::GodotClass>::class_id(), kind).register();
            }
        }

        godot::sys::shard_add!(
            godot::private::__GODOT_DOCS_REGISTRY;
            godot::private::DocsShard::new::<$class>(godot::private::DocsItem::InherentImpl(
                godot::private::InherentImplDocs {
                    methods_xml: "",
                    signals_xml: "",
                    constants_xml: concat!($(
                        "<constant name='", stringify!($constant),
                        "' value='", stringify!($number),
                        "' enum='", stringify!($name), "'>",
                        $($help,)+
                        "</constant>",
                    )+),
                }
            ))
        );

        impl godot::meta::GodotConvert for $name {
            type Via = i64;

            fn godot_shape() -> godot::meta::shape::GodotShape {
                // As the Inspector shows them.
                let shown = |(name, value): &(&'static str, $name)| {
                    let mut shape = godot::meta::shape::EnumeratorShape::new_int(name, *value as i64);
                    shape.name = $crate::gdext_private::shown_name(name).into();
                    shape
                };
                let enumerators = Self::ALL.iter().map(shown).collect();
                let name = format!("{}.{}", <$class as godot::obj::GodotClass>::class_id(), stringify!($name));
                godot::meta::shape::GodotShape::Enum {
                    variant_type: godot::builtin::VariantType::INT,
                    enumerators,
                    godot_name: Some(name.into()),
                    is_bitfield: false,
                }
            }
        }

        // SAFETY: it is a number, so there is nothing in a default that anyone could change.
        unsafe impl godot::meta::GodotImmutable for $name {}

        impl godot::meta::ToGodot for $name {
            type Pass = godot::meta::conv::ByValue;

            fn to_godot(&self) -> i64 {
                *self as i64
            }
        }

        impl godot::meta::FromGodot for $name {
            fn try_from_godot(via: i64) -> Result<Self, godot::meta::error::ConvertError> {
                let known = Self::ALL.iter().find(|(_, value)| *value as i64 == via);
                let unknown = || godot::meta::error::ConvertError::new(concat!("not a ", stringify!($name)));
                known.map(|(_, value)| *value).ok_or_else(unknown)
            }
        }
    };
}

pub(crate) use class_enum;

/// "Pin Mismatch" for `REASON_PIN_MISMATCH`.
pub(crate) fn shown_name(constant: &str) -> String {
    let words = constant.split('_').skip(1).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Makes gdext know the names of all classes that the addon uses, while there is one thread.
///
/// gdext 0.5.5 keeps them in a `Vec`, to which a class is added when it is first used, and hands out
/// pointers into it (`ClassId::string_sys`). A thread that makes an object while another uses a class
/// for the first time can find the `Vec` moved, which ends the engine: "Cannot get class ''".
pub(crate) fn know_classes() {
    fn know<T: GodotClass>() {
        let _known = T::class_id();
    }
    know::<Object>();
    know::<RefCounted>();
    know::<Resource>();
    know::<CryptoKey>();
    know::<X509Certificate>();
    know::<TlsOptions>();
    know::<PacketPeer>();
    know::<PacketPeerExtension>();
    know::<PacketPeerUdp>();
    know::<FileAccess>();
    know::<Os>();
    know::<ProjectSettings>();
    know::<DtlsServer>();
    know::<PacketPeerDtls>();
    know::<DtlsCrypto>();
    know::<DtlsOptions>();
}

/// An object argument that may be left out.
macro_rules! optional_object {
    ($(#[$doc:meta])* $name:ident, $class:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub(crate) Option<Gd<$class>>);

        impl GodotConvert for $name {
            type Via = Option<Gd<$class>>;

            fn godot_shape() -> GodotShape {
                Self::Via::godot_shape()
            }
        }

        impl ToGodot for $name {
            type Pass = ByValue;

            fn to_godot(&self) -> Self::Via {
                self.0.clone()
            }
        }

        impl FromGodot for $name {
            fn try_from_godot(via: Self::Via) -> Result<Self, ConvertError> {
                Ok(Self(via))
            }
        }

        // SAFETY: the only default that is ever made of it is null, which nobody can change.
        unsafe impl GodotImmutable for $name {}
    };
}

optional_object!(
    /// A certificate that may be left out.
    OptionalCertificate,
    X509Certificate
);
optional_object!(
    /// TLS options that may be left out.
    OptionalOptions,
    godot::classes::TlsOptions
);
