//! Class names that several threads can use.
//!
//! gdext 0.5.5 keeps them in a `Vec`, to which a class is added when it is first used, and hands out
//! pointers into it (`ClassId::string_sys`). A thread that makes an object while another uses a class
//! for the first time can find the `Vec` moved, which ends the engine: "Cannot get class ''". So each class is
//! used once at the start, while there is one thread.

use godot::classes::{
    CryptoKey, FileAccess, Ip, Object, Os, PacketPeer, PacketPeerExtension, PacketPeerUdp,
    ProjectSettings, RefCounted, Resource, TlsOptions, X509Certificate,
};
use godot::obj::GodotClass;

/// Adds a class of the addon.
pub(crate) fn add<T: GodotClass>() {
    let _id = T::class_id();
}

/// Adds the engine's classes that the addon uses.
pub(crate) fn add_those_of_the_engine() {
    add::<Object>();
    add::<RefCounted>();
    add::<Resource>();
    add::<CryptoKey>();
    add::<X509Certificate>();
    add::<TlsOptions>();
    add::<PacketPeer>();
    add::<PacketPeerExtension>();
    add::<PacketPeerUdp>();
    add::<FileAccess>();
    add::<Ip>();
    add::<Os>();
    add::<ProjectSettings>();
}
