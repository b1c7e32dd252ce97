//! The part of the engine's API that the addon is built from, `rust/dtls-godot/extension_api.json`.
//!
//! gdext looks up every method of every class that it was generated from, when the engine loads the
//! library. With all of Godot's classes that code was a third of the library, and the longest part of
//! its build.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

pub(crate) const FILE: &str = "rust/dtls-godot/extension_api.json";

/// What gdext itself calls, and what its macros name.
const OF_GDEXT: [&str; 21] = [
    "CanvasItem",
    "ClassDB",
    "EditorPlugin",
    "Engine",
    "FileAccess",
    "MainLoop",
    "MultiplayerAPI",
    "MultiplayerPeer",
    "Node",
    "Node2D",
    "Node3D",
    "OS",
    "PackedScene",
    "RefCounted",
    "Resource",
    "ResourceLoader",
    "ResourceSaver",
    "SceneTree",
    "ScriptExtension",
    "ScriptLanguage",
    "Window",
];

/// What `dtls-godot` calls besides.
const OURS: [&str; 6] = [
    "CryptoKey",
    "PacketPeerExtension",
    "PacketPeerUDP",
    "ProjectSettings",
    "TLSOptions",
    "X509Certificate",
];

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
    keep_classes(&mut api, &[&OF_GDEXT[..], &OURS].concat())?;
    Ok(serde_json::to_string(&api)? + "\n")
}

fn keep_classes(api: &mut Value, names: &[&str]) -> Result<()> {
    let classes = api["classes"].as_array().context("the engine's API has no classes")?;
    let mut kept = BTreeSet::new();
    for name in names {
        let mut next = Some(*name);
        while let Some(name) = next {
            let class = classes.iter().find(|class| class["name"] == name);
            let class = class.with_context(|| format!("the engine has no class {name}"))?;
            kept.insert(name);
            next = class["inherits"].as_str();
        }
    }
    let gone: Vec<String> = classes
        .iter()
        .filter_map(|class| class["name"].as_str())
        .filter(|name| !kept.contains(name))
        .map(String::from)
        .collect();
    remove_classes(api, &gone.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Takes classes out of an API dump, and whatever the other classes have that mentions them.
pub(crate) fn remove_classes(api: &mut Value, names: &[&str]) -> Result<()> {
    let classes = api["classes"].as_array_mut().context("the engine's API has no classes")?;
    let before = classes.len();
    classes.retain(|class| !class["name"].as_str().is_some_and(|name| names.contains(&name)));
    if before - classes.len() != names.len() {
        bail!("the engine's API was expected to have each of {}", names.join(", "));
    }
    for class in classes {
        for list in ["methods", "signals", "properties"] {
            if let Some(members) = class[list].as_array_mut() {
                members.retain(|member| !mentions(member, names));
            }
        }
    }
    if let Some(singletons) = api["singletons"].as_array_mut() {
        singletons.retain(|singleton| !mentions(singleton, names));
    }
    if let Some(structures) = api["native_structures"].as_array_mut() {
        structures.retain(|structure| {
            let format = structure["format"].as_str().unwrap_or_default();
            !format.split(|c: char| !c.is_alphanumeric()).any(|word| names.contains(&word))
        });
    }
    Ok(())
}

/// Whether a type anywhere within is one of these classes, or an array or an enum of one.
fn mentions(member: &Value, names: &[&str]) -> bool {
    match member {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) if key == "type" => {
                text.split([':', '.', ',', '*', ' ']).any(|part| names.contains(&part))
            }
            _ => mentions(value, names),
        }),
        Value::Array(values) => values.iter().any(|value| mentions(value, names)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_go_with_what_mentions_them() {
        let mut api = json!({ "classes": [
            { "name": "Gone", "methods": [] },
            { "name": "Stays", "methods": [
                { "name": "plain", "return_value": { "type": "int" } },
                { "name": "returns", "return_value": { "type": "Gone" } },
                { "name": "takes", "arguments": [{ "name": "x", "type": "Gone" }] },
                { "name": "array", "return_value": { "type": "typedarray::Gone" } },
                { "name": "state", "return_value": { "type": "enum::Gone.Status" } },
                { "name": "Gone" },
            ] },
        ] });
        remove_classes(&mut api, &["Gone"]).expect("it is there");
        let classes = api["classes"].as_array().expect("they are an array");
        assert_eq!(classes.len(), 1);
        let methods: Vec<&str> = classes[0]["methods"]
            .as_array()
            .expect("they are an array")
            .iter()
            .filter_map(|method| method["name"].as_str())
            .collect();
        assert_eq!(methods, ["plain", "Gone"]);
    }

    #[test]
    fn a_class_that_was_not_there_is_an_error() {
        let mut api = json!({ "classes": [] });
        remove_classes(&mut api, &["Gone"]).expect_err("it is not there");
    }

    #[test]
    fn classes_stay_with_what_they_inherit_from() {
        let mut api = json!({
            "classes": [
                { "name": "Base" },
                { "name": "Wanted", "inherits": "Base" },
                { "name": "Other", "inherits": "Base" },
            ],
            "singletons": [{ "name": "One", "type": "Other" }, { "name": "Two", "type": "Base" }],
            "native_structures": [{ "name": "S", "format": "Other::E e;Base *b" }],
        });
        keep_classes(&mut api, &["Wanted"]).expect("it is there");
        let names = |api: &Value, list: &str| -> Vec<String> {
            let list = api[list].as_array().expect("it is one");
            list.iter().map(|it| it["name"].as_str().expect("it is text").to_owned()).collect()
        };
        assert_eq!(names(&api, "classes"), ["Base", "Wanted"]);
        assert_eq!(names(&api, "singletons"), ["Two"]);
        assert!(names(&api, "native_structures").is_empty());
        keep_classes(&mut api, &["Missing"]).expect_err("there is none");
    }

    #[test]
    fn the_file_is_what_it_has_to_be() {
        let file = fs::read_to_string(workspace::root().join(FILE)).expect("it is there");
        assert!(file == text().expect("it can be made"), "run `cargo xtask api`");
    }
}
