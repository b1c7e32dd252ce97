//! `cargo xtask arm64`: the package for Linux on arm64, built on this machine and run in an emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::emulated_engine::EmulatedEngine;
use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::package::Target;
use crate::{exported_game, package, stage, test, workspace};

/// What of `godot_project/` is not taken along: what belongs to the other engine, tests of the editor,
/// and tests with many clients or datagrams at once. For these, the emulator is too slow.
const LEFT_OUT: [&str; 6] = [
    "addons",
    ".godot",
    "tests/suites/test_flood.gd",
    "tests/suites/test_lossy.gd",
    "tests/suites/test_lossy_interop.gd",
    "tests/suites/test_plugin.gd",
];

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    let emulated = EmulatedEngine::install()?;
    let mut steps = Steps::default();
    let mut archive = None;
    steps.step("package", || {
        // The game is exported by this machine's engine, which loads the addon too.
        archive = Some(package::for_targets(&[Target::LinuxX86_64, Target::LinuxArm64])?);
        Ok(Counts::PASS)
    });
    if let Some(archive) = archive {
        steps.step("exported game", || {
            exported_game::check_on(&emulated.player(), &Engine::find()?, &archive)
        });
        steps.step("engine tests", || {
            let engine = Engine::at(emulated.program());
            test::engine_tests_in(&engine, &project(&archive)?, filter)
        });
    }
    Ok(steps.finish())
}

/// The tests' project with the package in it.
fn project(archive: &Path) -> Result<PathBuf> {
    let project = workspace::target_dir()?.join("arm64/project");
    if project.exists() {
        fs::remove_dir_all(&project)
            .with_context(|| format!("cannot remove {}", project.display()))?;
    }
    let source = workspace::godot_project();
    for path in stage::files_below(&source)? {
        let relative = path.strip_prefix(&source)?;
        if LEFT_OUT.iter().any(|left_out| relative.starts_with(left_out)) {
            continue;
        }
        let copy = project.join(relative);
        fs::create_dir_all(copy.parent().context("a file is in a directory")?)?;
        fs::copy(&path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
    }
    package::unpack(archive, &project)?;
    stage::list_extension(&project)?;
    Ok(project)
}
