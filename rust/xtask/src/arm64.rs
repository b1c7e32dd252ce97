//! `cargo xtask arm64`: the package for Linux on arm64, built on this machine and run in an emulator, qemu,
//! which passes what a program asks of the system on to this one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::engine::{self, Engine};
use crate::exported_game::Player;
use crate::output::{Counts, Steps};
use crate::package::Target;
use crate::process::succeed_quietly;
use crate::{cargo, exported_game, package, packages, stage, test, workspace};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// What of `godot_project/` is not taken along: tests of the editor, and tests with many clients or datagrams
/// at once, for which the emulator is too slow.
const LEFT_OUT: [&str; 4] = [
    "tests/suites/test_flood.gd",
    "tests/suites/test_lossy.gd",
    "tests/suites/test_lossy_interop.gd",
    "tests/suites/test_plugin.gd",
];

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    let prefix = emulated_engine()?;
    let qemu = prefix.join("usr/bin/qemu-aarch64");
    let mut steps = Steps::default();
    let mut archive = None;
    steps.step("package", || {
        // The game is exported by this machine's engine, which loads the addon too.
        archive = Some(package::for_targets(&[Target::LINUX_X86_64, Target::LINUX_ARM64])?);
        Ok(Counts::PASS)
    });
    if let Some(archive) = archive {
        steps.step("exported game", || {
            let player = Player {
                architecture: "arm64",
                templates: Some(prefix.join("usr/bin")),
                emulator: [qemu.as_os_str(), "-L".as_ref(), prefix.as_os_str()]
                    .map(OsString::from)
                    .to_vec(),
            };
            exported_game::check_on(&player, &Engine::find()?, &archive)
        });
        steps.step("engine tests", || {
            let project = workspace::target_dir()?.join("arm64/project");
            stage::copy_project(&project, &LEFT_OUT)?;
            package::unpack(&archive, &project)?;
            stage::list_extension(&project)?;
            let engine = Engine::find()?.at(prefix.join("godot"));
            test::engine_tests_in(&engine, &project, filter, false)
        });
    }
    Ok(steps.finish())
}

/// Where Debian's engine for arm64 is, its export templates, qemu, and the script `godot` that starts it.
fn emulated_engine() -> Result<PathBuf> {
    packages::cached("engine-arm64-2", |prefix| {
        // qemu is linked statically, so it needs nothing else.
        packages::unpack(prefix, &["arm64", "amd64"], &engine::PROGRAMS, &["qemu-user:amd64"])?;
        // Where programs say that their loader is. Debian makes the link when it is installed.
        engine::link(Path::new("usr/lib"), &prefix.join("lib"))?;
        let home = prefix.display();
        write_script(
            &prefix.join("godot"),
            &format!("'{home}/usr/bin/qemu-aarch64' -L '{home}' '{home}/usr/bin/godot'"),
        )?;
        engine::version(&prefix.join("godot"))?;
        Ok(())
    })
}

/// Lets a command of cargo's compile for arm64: with the machine's own compiler if that can, or else with
/// Debian's. That runs here, with the standard library for build scripts and macros, which run here too, and
/// the one for arm64. Cargo and the linker stay the machine's own.
pub(crate) fn let_compile(command: &mut Command) -> Result<()> {
    let libraries = cargo::rustc(&["--print", "target-libdir", "--target", TRIPLE]);
    if libraries.is_ok_and(|dir| Path::new(&dir).is_dir()) {
        return Ok(());
    }
    let prefix = packages::cached("rust-arm64-2", |prefix| {
        let alone = ["rustc", "libstd-rust-dev:arm64"];
        packages::unpack(prefix, &["amd64", "arm64"], &["libstd-rust-dev"], &alone)?;
        // Its libraries have run paths of their own, so patching the program would not be enough.
        let libraries = prefix.join(engine::LIBRARIES);
        let compiler = engine::through_loader(&libraries, &prefix.join("usr/bin/rustc"));
        let words: Vec<_> =
            [compiler.get_program()].into_iter().chain(compiler.get_args()).collect();
        let rustc = prefix.join("rustc");
        write_script(&rustc, &words.join(" ".as_ref()).display().to_string())?;
        succeed_quietly(Command::new(&rustc).arg("--version"), "")?;
        Ok(())
    })?;
    command.env("RUSTC", prefix.join("rustc"));
    Ok(())
}

fn write_script(path: &Path, command: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\nexec {command} \"$@\"\n"))?;
    succeed_quietly(Command::new("chmod").arg("+x").arg(path), "")?;
    Ok(())
}
