//! What gdext's macros cannot express yet, by means that gdext calls private. This file is why
//! Cargo.toml pins gdext to one version.
//!
//! - A class enum: registered by hand, under a name that `ClassDB.class_get_enum_list` gives, with its
//!   part of the class's page in the editor's help.
//! - An object argument with `null` as its default.
//! - Class names that several threads can use.

use std::borrow::Cow;

use godot::builtin::StringName;
use godot::classes::{
    CryptoKey, FileAccess, Object, Os, PacketPeer, PacketPeerExtension, PacketPeerUdp,
    ProjectSettings, RefCounted, Resource, TlsOptions, X509Certificate,
};
use godot::meta::conv::ByValue;
use godot::meta::error::ConvertError;
use godot::meta::shape::{EnumeratorShape, GodotShape};
use godot::meta::{FromGodot, GodotConvert, GodotImmutable, ToGodot};
use godot::obj::{Gd, GodotClass};
use godot::register::private::constant::{ConstantKind, ExportConstant, IntegerConstant};

use crate::crypto::DtlsCrypto;
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
            const ALL: &[(&'static str, Self)] = &[$((stringify!($constant), Self::$value),)+];

            /// Registers the enum and its constants on its class.
            fn register() {
                let enumerators = Self::ALL
                    .iter()
                    .map(|(name, value)| IntegerConstant::new(name, *value as i64))
                    .collect();
                let kind =
                    ConstantKind::Enum { name: StringName::from(stringify!($name)), enumerators };
                ExportConstant::new($class::class_id(), kind).register();
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

        impl GodotConvert for $name {
            type Via = i64;

            fn godot_shape() -> GodotShape {
                let enumerators = Self::ALL
                    .iter()
                    .map(|(name, value)| EnumeratorShape::new_int(name, *value as i64))
                    .collect();
                let name = format!("{}.{}", $class::class_id(), stringify!($name));
                GodotShape::Enum {
                    variant_type: godot::builtin::VariantType::INT,
                    enumerators: Cow::Owned(enumerators),
                    godot_name: Some(Cow::Owned(name)),
                    is_bitfield: false,
                }
            }
        }

        impl ToGodot for $name {
            type Pass = ByValue;

            fn to_godot(&self) -> i64 {
                *self as i64
            }
        }

        impl FromGodot for $name {
            fn try_from_godot(via: i64) -> Result<Self, ConvertError> {
                let known = Self::ALL.iter().find(|(_, value)| *value as i64 == via);
                let unknown = || ConvertError::new(concat!("not a ", stringify!($name)));
                known.map(|(_, value)| *value).ok_or_else(unknown)
            }
        }
    };
}

class_enum! {
    /// `PacketPeerDTLS.Status`, with the documented values.
    Status of PacketPeerDtls {
        /// There is no connection: none was begun, or one of the two sides ended it as it should.
        STATUS_DISCONNECTED => Disconnected = 0,
        /// The handshake is under way. [method poll] goes on with it.
        STATUS_HANDSHAKING => Handshaking = 1,
        /// Packets can be sent and received.
        STATUS_CONNECTED => Connected = 2,
        /// The connection failed; [method get_last_error] says why. On a peer that a server took, it can
        /// also mean that the client has been asked to prove its address, which is a part of every
        /// connection.
        STATUS_ERROR => Error = 3,
        /// The server's certificate is for another name than the one that was asked for.
        /// [method get_last_error] has both.
        STATUS_ERROR_HOSTNAME_MISMATCH => ErrorHostnameMismatch = 4,
    }
}

class_enum! {
    /// `DTLSCrypto.Usage`: what a certificate is good for.
    Usage of DtlsCrypto {
        /// A server may show the certificate, and no client.
        USAGE_SERVER => Server = 0,
        /// A client may show the certificate, and no server.
        USAGE_CLIENT => Client = 1,
    }
}

/// Registers the enums of all classes.
pub(crate) fn register_enums() {
    Status::register();
    Usage::register();
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
