//! The part of the engine's API that the addon is built from, `rust/dtls-godot/extension_api.json`.
//!
//! gdext looks up every method of every class that it was generated from, when the engine loads the
//! library. With all of Godot's classes that code was a third of the library, and the longest part of
//! its build.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

pub(crate) const FILE: &str = "rust/dtls-godot/extension_api.json";

/// What gdext itself calls, and what its macros name.
const OF_GDEXT: &str = "CanvasItem ClassDB EditorPlugin Engine FileAccess MainLoop MultiplayerAPI MultiplayerPeer Node \
    Node2D Node3D OS PackedScene RefCounted Resource ResourceLoader ResourceSaver SceneTree ScriptExtension \
    ScriptLanguage Window";

/// What `dtls-godot` calls besides.
const OURS: &str =
    "CryptoKey PacketPeerExtension PacketPeerUDP ProjectSettings TLSOptions X509Certificate";

/// `cargo xtask api`
pub(crate) fn run() -> Result<ExitCode> {
    let path = workspace::root().join(FILE);
    fs::write(&path, text()?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{FILE} is written. `cargo clean -p godot-ffi -p godot-core` makes cargo look at it.");
    Ok(ExitCode::SUCCESS)
}

/// What the file has to be: the API of the oldest engine that the addon runs in, with those classes
/// alone, and with what they inherit from.
fn text() -> Result<String> {
    let all = gdextension_api::version_4_3::load_extension_api_json();
    let mut api: Value =
        serde_json::from_str(&all).context("gdext's copy of the API is no JSON")?;
    keep_classes(&mut api, &OF_GDEXT.split(' ').chain(OURS.split(' ')).collect::<Vec<_>>())?;
    Ok(serde_json::to_string(&api)? + "\n")
}

/// Leaves nothing in an API dump but these classes, what they inherit from, and what mentions no other.
fn keep_classes(api: &mut Value, names: &[&str]) -> Result<()> {
    let classes = api["classes"].as_array().context("the engine's API has no classes")?;
    let mut gone: BTreeMap<String, Value> = classes
        .iter()
        .filter_map(|class| Some((class["name"].as_str()?.to_owned(), class["inherits"].clone())))
        .collect();
    for name in names {
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
        for list in ["methods", "signals", "properties"] {
            keep(&mut class[list], &|member| !mentions(member, &gone));
        }
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
