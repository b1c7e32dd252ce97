//! What the classes are called. No other code spells their names.
//!
//! Godot 4 registers classes of its own as `DTLSServer` and `PacketPeerDTLS`, refuses extension
//! classes of the same name, and has no build option to leave them out. So the documented names are
//! for engines whose source was changed to leave them free: the cargo feature `documented-names`.

/// What a server is called, for messages.
pub(crate) const SERVER: &str =
    if cfg!(feature = "documented-names") { "DTLSServer" } else { "DTLSServerOpenSSL" };
/// What a listener is called, for messages.
pub(crate) const LISTENER: &str = "DTLSListener";
/// What a peer is called, for its enums.
pub(crate) const PEER: &str =
    if cfg!(feature = "documented-names") { "PacketPeerDTLS" } else { "PacketPeerDTLSOpenSSL" };

/// A text of ours, which has the names of the default build, with those that this build has.
#[cfg(any(test, feature = "documented-names"))]
pub(crate) fn in_text(text: &str) -> String {
    text.replace("DTLSServerOpenSSL", SERVER).replace("PacketPeerDTLSOpenSSL", PEER)
}

/// Defines the struct behind an engine class: `class! { server, struct ... }`.
macro_rules! class {
    (server, $($definition:tt)*) => {
        $crate::engine::names::define! {
            DTLSServerOpenSSL or DTLSServer, RefCounted, init, $($definition)*
        }
    };
    (peer, $($definition:tt)*) => {
        $crate::engine::names::define! {
            PacketPeerDTLSOpenSSL or PacketPeerDTLS, PacketPeerExtension, init, $($definition)*
        }
    };
    (crypto, $($definition:tt)*) => {
        $crate::engine::names::define! { DTLSCrypto or DTLSCrypto, Object, no_init, $($definition)* }
    };
    (options, $($definition:tt)*) => {
        $crate::engine::names::with_base! { DTLSOptions, Resource, $($definition)* }
    };
    (listener, $($definition:tt)*) => {
        $crate::engine::names::with_base! { DTLSListener, RefCounted, $($definition)* }
    };
}

/// A class that calls methods of the class that it extends, or has signals, by a field that has to come from where
/// the derive stands: gdext generates code with its name. The name is the same in both builds.
macro_rules! with_base {
    ($name:ident, $base:ident,
        $(#[$($attribute:tt)*])* pub(crate) struct $struct:ident { $($fields:tt)* }
    ) => {
        #[derive(godot::register::GodotClass)]
        #[class(tool, init, base = $base, rename = $name)]
        $(#[$($attribute)*])*
        pub(crate) struct $struct {
            base: godot::obj::Base<godot::classes::$base>,
            $($fields)*
        }
    };
}

macro_rules! define {
    ($name:ident or $documented:ident, $base:ident, $init:ident, $($definition:tt)*) => {
        #[derive(godot::register::GodotClass)]
        #[cfg_attr(not(feature = "documented-names"), class(tool, $init, base = $base, rename = $name))]
        #[cfg_attr(feature = "documented-names", class(tool, $init, base = $base, rename = $documented))]
        $($definition)*
    };
}

pub(crate) use {class, define, with_base};
