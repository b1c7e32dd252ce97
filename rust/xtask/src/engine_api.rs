//! The part of the engine's API that the addon is built from, `rust/dtls-godot/extension_api.json`.
//!
//! gdext looks up every method of every class that it was generated from, when the engine loads the
//! library. With all of Godot's classes that code was a third of the library, and the longest part of
//! its build; and an engine without one of the methods, because it was built without physics, say, does
//! not load the library at all.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

pub(crate) const FILE: &str = "rust/dtls-godot/extension_api.json";

/// The classes that gdext or `dtls-godot` names, each with the methods of it that one of them calls, or with `*`
/// where that is most. What is missing here the compiler misses too.
const CALLED: &str = "\
    CanvasItem; ClassDB is_parent_class; CryptoKey *; EditorPlugin; Engine get_main_loop is_editor_hint \
    is_printing_error_messages register_singleton set_print_error_messages unregister_singleton; FileAccess \
    *; IP erase_resolve_item get_resolve_item_addresses get_resolve_item_status \
    resolve_hostname_queue_item; MainLoop; MultiplayerAPI; MultiplayerPeer; Node duplicate get_node_or_null \
    get_tree is_inside_tree rpc rpc_config rpc_id; Node2D; Node3D; OS crash get_system_ca_certificates \
    has_feature is_debug_build; Object connect disconnect emit_signal get_class get_script is_class \
    is_connected notification set_script to_string; PackedScene instantiate; PacketPeer *; \
    PacketPeerExtension *; PacketPeerUDP *; ProjectSettings *; RefCounted get_reference_count init_ref \
    reference unreference; Resource duplicate emit_changed get_path; ResourceLoader load load_threaded_get \
    load_threaded_get_status load_threaded_request; ResourceSaver save; SceneTree call_group_flags get_root \
    notify_group notify_group_flags set_group_flags; Script get_global_name get_instance_base_type; \
    ScriptExtension _get_language; ScriptLanguage; TLSOptions *; Window; X509Certificate *";

/// `cargo xtask api`
pub(crate) fn run() -> Result<ExitCode> {
    let path = workspace::root().join(FILE);
    fs::write(&path, text()?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{FILE} is written. `cargo clean -p godot-ffi -p godot-core` makes cargo look at it.");
    Ok(ExitCode::SUCCESS)
}

/// What the file has to be: the API of the oldest engine that the addon runs in, with what is called alone, and
/// with what that inherits from.
fn text() -> Result<String> {
    let all = gdextension_api::version_4_3::load_extension_api_json();
    let mut api: Value =
        serde_json::from_str(&all).context("gdext's copy of the API is no JSON")?;
    let words = CALLED.split("; ").map(|class| class.split(' '));
    keep_called(&mut api, &words.filter_map(|mut it| Some((it.next()?, it.collect()))).collect())?;
    drop_descriptions(&mut api);
    Ok(serde_json::to_string(&api)? + "\n")
}

/// Drops the engine's help, of which gdext makes comments that nobody reads.
fn drop_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| key != "description" && key != "brief_description");
            fields.values_mut().for_each(drop_descriptions);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_descriptions),
        _ => {}
    }
}

/// Leaves nothing in an API dump but these classes with these methods, what they inherit from, and what mentions
/// no other.
fn keep_called(api: &mut Value, called: &BTreeMap<&str, Vec<&str>>) -> Result<()> {
    let classes = api["classes"].as_array().context("the engine's API has no classes")?;
    let mut gone: BTreeMap<String, Value> = classes
        .iter()
        .filter_map(|class| Some((class["name"].as_str()?.to_owned(), class["inherits"].clone())))
        .collect();
    for name in called.keys() {
        ensure!(classes.iter().any(|class| class["name"] == *name), "there is no class {name}");
        let mut next = Some((*name).to_owned());
        while let Some(parent) = next.and_then(|name| gone.remove(&name)) {
            next = parent.as_str().map(String::from);
        }
    }
    let keep = |list: &mut Value, is_kept: &dyn Fn(&Value) -> bool| {
        list.as_array_mut().into_iter().for_each(|list| list.retain(is_kept));
    };
    keep(&mut api["classes"], &|class| !gone.contains_key(class["name"].as_str().unwrap_or("")));
    for class in api["classes"].as_array_mut().into_iter().flatten() {
        let called = class["name"].as_str().and_then(|name| called.get(name));
        let called = called.map(Vec::as_slice).unwrap_or_default();
        keep(&mut class["methods"], &|method| {
            called.iter().any(|it| *it == "*" || method["name"] == **it) && !mentions(method, &gone)
        });
        // gdext makes nothing of them.
        keep(&mut class["properties"], &|_| false);
        keep(&mut class["signals"], &|signal| !mentions(signal, &gone));
    }
    keep(&mut api["singletons"], &|singleton| !mentions(singleton, &gone));
    keep(&mut api["native_structures"], &|structure| {
        let format = structure["format"].as_str().unwrap_or_default();
        !format.split(|c: char| !c.is_alphanumeric()).any(|word| gone.contains_key(word))
    });
    Ok(())
}

/// Whether a type anywhere within is one of these classes, or an array or an enum of one.
fn mentions(member: &Value, names: &BTreeMap<String, Value>) -> bool {
    match member {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) if key == "type" => {
                text.split([':', '.', ',', '*', ' ']).any(|part| names.contains_key(part))
            }
            _ => mentions(value, names),
        }),
        Value::Array(values) => values.iter().any(|value| mentions(value, names)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_it_has_to_be() {
        let file = fs::read_to_string(workspace::root().join(FILE)).expect("it is there");
        assert!(file == text().expect("it can be made"), "run `cargo xtask api`");
    }
}
