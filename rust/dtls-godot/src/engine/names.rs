//! What the classes are called. No other file has their names.
//!
//! Godot 4 registers classes of its own as `DTLSServer` and `PacketPeerDTLS`, refuses extension
//! classes of the same name, and has no build option to leave them out. So the documented names are
//! for engines whose source was changed to leave them free: the cargo feature `documented-names`.

/// What a server is called, for messages.
pub(crate) const SERVER: &str =
    if cfg!(feature = "documented-names") { "DTLSServer" } else { "DTLSServerOpenSSL" };
/// What a peer is called, for its enums.
pub(crate) const PEER: &str =
    if cfg!(feature = "documented-names") { "PacketPeerDTLS" } else { "PacketPeerDTLSOpenSSL" };

/// Defines the struct behind an engine class: `class! { server, struct ... }`.
#[cfg(not(feature = "documented-names"))]
macro_rules! class {
    (server, $($definition:tt)*) => {
        $crate::engine::names::define! { DTLSServerOpenSSL, RefCounted, init, $($definition)* }
    };
    (options, $($definition:tt)*) => {
        $crate::engine::names::define_with_base! { DTLSOptions, Resource, init, $($definition)* }
    };
    (peer, $($definition:tt)*) => {
        $crate::engine::names::define! { PacketPeerDTLSOpenSSL, PacketPeerExtension, init, $($definition)* }
    };
    (crypto, $($definition:tt)*) => {
        $crate::engine::names::define! { DTLSCrypto, Object, no_init, $($definition)* }
    };
}

/// Defines the struct behind an engine class: `class! { server, struct ... }`.
#[cfg(feature = "documented-names")]
macro_rules! class {
    (server, $($definition:tt)*) => {
        $crate::engine::names::define! { DTLSServer, RefCounted, init, $($definition)* }
    };
    (options, $($definition:tt)*) => {
        $crate::engine::names::define_with_base! { DTLSOptions, Resource, init, $($definition)* }
    };
    (peer, $($definition:tt)*) => {
        $crate::engine::names::define! { PacketPeerDTLS, PacketPeerExtension, init, $($definition)* }
    };
    (crypto, $($definition:tt)*) => {
        $crate::engine::names::define! { DTLSCrypto, Object, no_init, $($definition)* }
    };
}

macro_rules! define {
    ($name:ident, $base:ident, $init:ident, $($definition:tt)*) => {
        #[derive(godot::register::GodotClass)]
        #[class(tool, $init, base = $base, rename = $name)]
        $($definition)*
    };
}

/// The same for a class that calls methods of the one that it extends. The field has to come from here,
/// where gdext's macro can see it.
macro_rules! define_with_base {
    (
        $name:ident, $base:ident, $init:ident,
        $(#[$($attribute:tt)*])* pub(crate) struct $struct:ident { $($fields:tt)* }
    ) => {
        #[derive(godot::register::GodotClass)]
        #[class(tool, $init, base = $base, rename = $name)]
        $(#[$($attribute)*])*
        pub(crate) struct $struct {
            base: godot::obj::Base<godot::classes::$base>,
            $($fields)*
        }
    };
}

pub(crate) use {class, define, define_with_base};
