//! Everything of gdext that gdext calls private is used in this folder and nowhere else. It is why Cargo.toml
//! asks for one exact version. The files here depend on no class of the addon: each class calls them.
//!
//! To be looked at again at each release of gdext, in the source of `godot-core` and `godot-macros`:
//!
//! 1. `class_enum.rs`: `register::private::constant`. gdext has enums, but none that belongs to a class:
//!    `ClassDB.class_get_enum_list` would not name them. If it changes, an enum is missing or has other
//!    values: `test_api.gd` compares them with `golden/api.txt`. Once gdext can register a class's enum, the
//!    file goes.
//! 2. `methods.rs`: `register::private::method`, `sys::GodotFfi`, `sys::PtrcallType`, and the C interface
//!    behind both. Methods of `#[func]` borrow the object at each call, and `engine/handles.rs` says what
//!    that costs. If the signature of a call changes, a method does not exist or returns something else:
//!    `test_api.gd`, and every suite that polls. Once `#[func]` can leave the object unborrowed, the file goes.
//! 3. `packet_peer.rs`: `private::{ClassShard, ShardItem, ITraitImpl}`, `__GODOT_SHARD_REGISTRY`,
//!    `You_forgot_the_attribute__godot_api` and `cap::ImplementsGodotVirtual::__virtual_call`. It stands for
//!    `#[godot_api] impl IPacketPeerExtension`, whose functions borrow, too. If the registration changes, the
//!    engine calls no function of ours, and no packet gets through: `test_loopback.gd`. Compare what
//!    `interface_trait_impl.rs` in godot-macros generates.
//! 4. `instance.rs`: `private::{as_storage, Storage}` and `sys::interface_fn!`. The way from what the engine
//!    calls to the object's id. If the storage changes, it does not compile, or every call ends in a crash:
//!    any suite.
//! 5. `help.rs`: `private::{DocsShard, DocsItem, InherentImplDocs}`, `__GODOT_DOCS_REGISTRY` and
//!    `docs::__gather_xml_docs`. What 1 and 2 register has its part of the editor's help by it. If it changes,
//!    a description is missing: `cargo xtask test` `help.rs::everything_is_described`. With `documented-names`
//!    it hands the pages over again, as `docs::register` does before.
//! 6. `class_ids.rs` calls nothing private. It works around how gdext keeps the names of classes.
//!    `test_threads.gd` ends with the engine if it is needed and not there; once gdext keeps names where they
//!    stay, the file goes.
//! 7. `optional_object.rs` calls nothing private. `#[opt(default = ...)]` takes no null for an object.
//!    `test_api.gd` has the defaults. Once it takes null, the file goes.

pub(crate) mod class_enum;
pub(crate) mod class_ids;
pub(crate) mod help;
pub(crate) mod instance;
pub(crate) mod methods;
pub(crate) mod optional_object;
pub(crate) mod packet_peer;
