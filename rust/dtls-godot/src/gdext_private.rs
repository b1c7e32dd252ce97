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

use crate::peer::PacketPeerDtls;
use crate::server::DtlsServer;

/// `PacketPeerDTLS.Status`, with the documented values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Disconnected = 0,
    Handshaking = 1,
    Connected = 2,
    Error = 3,
    ErrorHostnameMismatch = 4,
}

impl Status {
    const ALL: [(&'static str, Self); 5] = [
        ("STATUS_DISCONNECTED", Self::Disconnected),
        ("STATUS_HANDSHAKING", Self::Handshaking),
        ("STATUS_CONNECTED", Self::Connected),
        ("STATUS_ERROR", Self::Error),
        ("STATUS_ERROR_HOSTNAME_MISMATCH", Self::ErrorHostnameMismatch),
    ];
}

/// What the editor's help says about the constants.
const STATUS_HELP: &str = "\
    <constant name='STATUS_DISCONNECTED' value='0' enum='Status'>\
    There is no connection: none was begun, or one of the two sides ended it as it should.\
    </constant>\
    <constant name='STATUS_HANDSHAKING' value='1' enum='Status'>\
    The handshake is under way. [method poll] goes on with it.\
    </constant>\
    <constant name='STATUS_CONNECTED' value='2' enum='Status'>\
    Packets can be sent and received.\
    </constant>\
    <constant name='STATUS_ERROR' value='3' enum='Status'>\
    The connection failed; [method get_last_error] says why. On a peer that a server took, it can \
    also mean that the client has been asked to prove its address, which is a part of every \
    connection.\
    </constant>\
    <constant name='STATUS_ERROR_HOSTNAME_MISMATCH' value='4' enum='Status'>\
    The server's certificate is for another name than the one that was asked for. \
    [method get_last_error] has both.\
    </constant>";

godot::sys::shard_add!(godot::private::__GODOT_DOCS_REGISTRY; godot::private::DocsShard::new::<PacketPeerDtls>(
    godot::private::DocsItem::InherentImpl(godot::private::InherentImplDocs {
        methods_xml: "",
        signals_xml: "",
        constants_xml: STATUS_HELP,
    })
));

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
}

/// Registers the enum and its constants on the peer's class.
pub(crate) fn register_status() {
    let enumerators =
        Status::ALL.iter().map(|(name, value)| IntegerConstant::new(name, *value as i64)).collect();
    let kind = ConstantKind::Enum { name: StringName::from("Status"), enumerators };
    ExportConstant::new(PacketPeerDtls::class_id(), kind).register();
}

impl GodotConvert for Status {
    type Via = i64;

    fn godot_shape() -> GodotShape {
        let enumerators =
            Self::ALL.map(|(name, value)| EnumeratorShape::new_int(name, value as i64));
        GodotShape::Enum {
            variant_type: godot::builtin::VariantType::INT,
            enumerators: Cow::Owned(enumerators.to_vec()),
            godot_name: Some(Cow::Owned(format!("{}.Status", PacketPeerDtls::class_id()))),
            is_bitfield: false,
        }
    }
}

impl ToGodot for Status {
    type Pass = ByValue;

    fn to_godot(&self) -> i64 {
        *self as i64
    }
}

impl FromGodot for Status {
    fn try_from_godot(via: i64) -> Result<Self, ConvertError> {
        let known = Self::ALL.iter().find(|(_, value)| *value as i64 == via);
        known.map(|(_, value)| *value).ok_or_else(|| ConvertError::new("not a Status"))
    }
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
