//! `cargo xtask audit`: what needs more tools, or more time, than a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::package::Target;
use crate::process::succeed_quietly;
use crate::{
    cargo, editor, exported_game, fuzz, memcheck, package, packages, stage, test, workspace,
};

const CARGO_DENY: &str = "0.20.2";

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
        archive = Some(package::for_targets(&[Target::LINUX_X86_64])?);
        Ok(Counts::PASS)
    });
    if let Some(archive) = archive {
        steps.step("exported game", || exported_game::check(&Engine::find()?, &archive));
        steps.step("package once more", || package_once_more(&archive));
        // It has another compiler, another OpenSSL and other flags than what `cargo xtask test` runs.
        steps.step("engine tests of the package", || {
            stage::stage(&workspace::godot_project(), &package::debug_library()?, false)?;
            test::engine_tests(None, false)
        });
    }
    steps.step("editor", editor::check);
    Ok(steps.finish())
}

/// Whether the same commit gives the same bytes: in another folder, with nothing built before, and without
/// what zig remembers.
fn package_once_more(archive: &Path) -> Result<Counts> {
    ensure!(workspace::is_clean()?, "what is in no commit is not in the other package: commit it");
    let dir = workspace::temporary("once-more")?;
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
    let deny = packages::cargo_program("cargo-deny", CARGO_DENY, "")?;
    test::checker(&deny, &["--workspace", "check", "bans", "licenses", "sources"])
}

/// Whether GitHub would understand .github/workflows/.
fn workflows() -> Result<Counts> {
    let files = workspace::files()?;
    let workflows = files.iter().map(|it| &**it).filter(|it| it.starts_with(".github/workflows/"));
    test::checker(&packages::checker("actionlint")?, &workflows.collect::<Vec<_>>())
}

/// The tests that are run with the documented names. `demo` has the documented example, `docs`
/// what our own pages show.
const UNDER_DOCUMENTED_NAMES: &str =
    "api/ behaviour/ certificates/ demo/ docs/ engine_interop/ loopback/ options_";

/// Gives the engine's own classes other names, in the program: `MTLSServer` and `PacketPeerMTLS`. Each is a whole
/// text of C's, and so is what one of them calls its status.
const IN_THE_ENGINE: &str = r#"$n += s/\0(DTLSServer|PacketPeerDTLS(?:::Status)?)(?=\0)/"\0" . $1 =~ s{DTLS}{MTLS}r/ge;
    END { die "the engine has other names" if $n < 3 }"#;
/// And in scripts, where ours get the documented ones.
const IN_SCRIPTS: &str =
    "s/(DTLSServer|PacketPeerDTLS)(OpenSSL)?/$2 ? $1 : $1 =~ s{DTLS}{MTLS}r/ge";

/// Whether the addon works under the documented names, in an engine that leaves them free: a copy of the one in use
/// that has others for its own classes.
fn documented_names() -> Result<Counts> {
    let feature = "documented-names";
    let help = ["test", "--package", "dtls-godot", "--features", feature];
    let mut counts = test::check(cargo::with_openssl()?.args(help))?;
    let dir = workspace::target_dir()?.join("documented-names");
    let (project, program) = (dir.join("project"), dir.join("godot"));
    stage::copy_project(&project, &[])?;
    let mut scripts = stage::files_below(&project)?;
    scripts.retain(|file| fs::read_to_string(file).is_ok());
    let change = |script: &str, files: &[PathBuf]| {
        succeed_quietly(Command::new("perl").args(["-i", "-pe", script]).args(files), "Renaming")
    };
    change(IN_SCRIPTS, &scripts)?;
    stage::run(&project, false, feature)?;
    let engine = Engine::find()?;
    fs::copy(engine.program(), &program).context("the engine cannot be copied")?;
    change(IN_THE_ENGINE, std::slice::from_ref(&program))?;
    for tests in UNDER_DOCUMENTED_NAMES.split(' ') {
        counts += test::engine_tests_in(&engine.at(program.clone()), &project, Some(tests), false)?;
    }
    Ok(counts)
}
