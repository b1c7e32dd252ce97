//! `cargo xtask audit`: what needs more tools, or more time, than a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::process::{self, on_path, succeed_quietly};
use crate::{cache, cargo, demo, fuzz, memcheck, workspace};

const CARGO_DENY: &str = "0.20.2";

/// The classes whose names the feature `documented-names` takes.
const ENGINE_CLASSES: [&str; 2] = ["DTLSServer", "PacketPeerDTLS"];

/// All of it.
pub(crate) fn run() -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("dependencies", dependencies);
    steps.step("documented names", documented_names);
    steps.step("memcheck", memcheck::run);
    steps.step("fuzz", || fuzz::check(&fuzz::TARGETS, Duration::from_secs(60)));
    steps.step("demo of the release build", || {
        let options = build::Options { release: true, ..build::Options::default() };
        build_and_stage(&options)?;
        demo::exchange(&Engine::find()?, true)?;
        Ok(Counts::PASS)
    });
    Ok(steps.finish())
}

/// Bans, licences and sources, as deny.toml has them.
///
/// Advisories are not checked here: that takes a database from the network, which a machine that
/// builds this may not reach. They are for a release workflow, which does not exist yet.
fn dependencies() -> Result<Counts> {
    let mut command = Command::new(cargo_deny()?);
    command.current_dir(workspace::root());
    cargo::without_run_variables(&mut command);
    let what = ["bans", "licenses", "sources"];
    command.args(["--workspace", "check"]).args(what);
    let finished = process::run_quietly(&mut command, "Checking the dependencies")?;
    println!("{}", finished.text().trim_end());
    Ok(Counts::check(finished.success()))
}

fn cargo_deny() -> Result<PathBuf> {
    if on_path("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let dir = cache::dir()?.join(format!("cargo-deny-{CARGO_DENY}"));
    cache::complete(&dir, || {
        let label = format!("Building cargo-deny {CARGO_DENY} (some minutes, once)");
        let mut command = cargo::command();
        command
            .args(["install", "--locked", "cargo-deny", "--version", CARGO_DENY])
            .arg("--root")
            .arg(&dir)
            // Not into our target directory, and not with our settings.
            .current_dir(dir.parent().context("the cache has a parent")?)
            .env_remove("CARGO_TARGET_DIR");
        succeed_quietly(&mut command, &label)?;
        Ok(())
    })?;
    Ok(dir.join("bin/cargo-deny"))
}

/// Whether the addon can be built under the documented names, for an engine that leaves them free.
///
/// In the target directory of every other build, since OpenSSL is compiled there already. Cargo
/// tells what depends on the features apart, and whoever stages a library has it built first.
fn documented_names() -> Result<Counts> {
    let dir = workspace::target_dir()?.join("documented-names");
    let api = api_without_our_names(&Engine::find()?, &dir)?;
    let mut command = cargo::command();
    command
        .args(["build", "--package", "dtls-godot"])
        .args(["--no-default-features", "--features", "documented-names"])
        .env("GODOT4_GDEXTENSION_JSON", api);
    let finished = process::run_quietly(&mut command, "Building")?;
    if !finished.success() {
        println!("{}", finished.text().trim_end());
        return Ok(Counts::FAIL);
    }
    println!(
        "   It is built as {}. It cannot be loaded on a stock engine, which registers those names \
         itself.",
        ENGINE_CLASSES.join(" and ")
    );
    Ok(Counts::PASS)
}

/// Writes the engine's own API without the two classes; returns the file.
fn api_without_our_names(engine: &Engine, dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // The engine writes into its working directory.
    let dump = tempfile::tempdir_in(dir)?;
    let mut command = engine.headless("api")?;
    command.arg("--dump-extension-api").current_dir(dump.path());
    succeed_quietly(&mut command, "Asking the engine for its API")?;
    let text = fs::read(dump.path().join("extension_api.json"))
        .context("the engine has written no extension_api.json")?;

    let mut api: Value = serde_json::from_slice(&text).context("the engine's API is no JSON")?;
    remove_classes(&mut api, &ENGINE_CLASSES)?;
    let text = serde_json::to_vec_pretty(&api)?;

    // Written only when it differs, so that nothing is compiled again for nothing.
    let path = dir.join("extension_api.json");
    if !fs::read(&path).is_ok_and(|present| present == text) {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

/// Takes classes out of an API dump, and whatever the other classes have that mentions them.
fn remove_classes(api: &mut Value, names: &[&str]) -> Result<()> {
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
    Ok(())
}

/// Whether a type anywhere within is one of these classes, or an array or an enum of one.
fn mentions(member: &Value, names: &[&str]) -> bool {
    match member {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) if key == "type" => {
                text.split([':', '.', ',']).any(|part| names.contains(&part))
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
}
