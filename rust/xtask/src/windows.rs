//! `cargo xtask windows`: the package for Windows, built on this machine and run in wine. An engine for Windows is
//! taken where `GODOT_WINDOWS` in the environment names one, and its export template where
//! `GODOT_WINDOWS_TEMPLATE` does. One that was built as a template, but takes `--path`, is both.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::engine::Engine;
use crate::exported_game::Player;
use crate::output::{Counts, Steps};
use crate::package::{Kind, Target};
use crate::test::TestsInside;
use crate::{exported_game, package, stage, test, wine, workspace, zig};

const ENGINE: &str = "GODOT_WINDOWS";
const TEMPLATE: &str = "GODOT_WINDOWS_TEMPLATE";
const TRIPLE: &str = "x86_64-pc-windows-gnullvm";

/// The crates that need no engine.
const CRATES: [&str; 6] =
    ["dtls-core", "dtls-issuer", "dtls-net", "netsim", "openssl-mimalloc", "test-pki"];

/// The suites that are run inside the engine, unless others are asked for: those that start no other program.
pub(crate) const SUITES: &str = "api,behaviour,certificates,chat,console,crowd,engine_interop,ipv6,loopback,\
    monitors,options_identity,options_protocol,options_psk,options_verification,restart,resumption,settings,\
    stats,threads,tls_options";

/// Everything, with these suites inside the engine.
pub(crate) fn run(suites: &str) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let mut archive = None;
    steps.step("package", || {
        // The game is exported by this machine's engine, which loads the addon too.
        archive = Some(package::for_targets(&[Target::LINUX_X86_64, Target::WINDOWS_X86_64])?);
        Ok(Counts::PASS)
    });
    steps.step("rust tests", rust_tests);
    let Some(engine) = named(ENGINE)? else {
        println!(
            "\nThe tests inside the engine and the exported game are left out: {ENGINE} names no Godot for \
             Windows. Download the standard build from godotengine.org/download, unpack it, and set {ENGINE} \
             to the path of its _console.exe, and {TEMPLATE} to that of the export template \
             windows_debug_x86_64.exe."
        );
        return Ok(steps.finish());
    };
    let template = named(TEMPLATE)?.unwrap_or_else(|| engine.clone());
    if let Some(archive) = archive {
        steps.step("exported game", || {
            let player = Player {
                platform: "Windows Desktop",
                architecture: "x86_64",
                // It is one for debugging, and an export with it cannot be anything else.
                templates: vec![(Kind::Debug, template)],
                emulator: wine::runner()?,
            };
            exported_game::check_on(&player, &Engine::find()?, &archive)
        });
        steps.step("engine tests", || engine_tests(&engine, &archive, suites));
    }
    Ok(steps.finish())
}

/// The program that a variable of the environment names.
fn named(variable: &str) -> Result<Option<PathBuf>> {
    let path = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = &path {
        ensure!(path.is_file(), "{variable} names {}, which is no file", path.display());
    }
    Ok(path)
}

fn rust_tests() -> Result<Counts> {
    let mut command = zig::cargo(TRIPLE, "test")?;
    command.args(["--no-run", "--locked", "--target", TRIPLE]);
    command.args(CRATES.map(|name| format!("--package={name}")));
    let programs = test::programs(test::artifacts(&mut command)?)?;
    test::rust_tests(&programs, &wine::runner()?, false)
}

fn engine_tests(program: &Path, archive: &Path, suites: &str) -> Result<Counts> {
    let dir = workspace::target_dir()?.join("windows");
    let (project, godot) = (dir.join("project"), dir.join("godot"));
    stage::copy_project(&project, &[])?;
    package::unpack(archive, &project)?;
    stage::list_extension(&project)?;
    let words = wine::runner()?.into_iter().chain([program.into()]);
    let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
    stage::write_script(&godot, &words.join(" "))?;
    let netsim = &workspace::target_dir()?.join(TRIPLE).join("debug/netsim.exe");
    let engine = &Engine::elsewhere(godot, wine::path);
    let tests = TestsInside { engine, project: &project, netsim, soak: false };
    tests.run("windows", &["--only", suites], true)
}
