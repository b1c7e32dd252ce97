//! `cargo xtask arm64`: the package for Linux on arm64, built on this machine and run in an emulator, qemu,
//! which passes what a program asks of the system on to this one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::engine::{self, Engine};
use crate::exported_game::Player;
use crate::output::{Counts, Steps};
use crate::package::Target;
use crate::{exported_game, package, packages, stage, test, workspace};

/// What of `godot_project/` is not taken along: tests of the editor, and tests with many clients or datagrams
/// at once, for which the emulator is too slow.
const LEFT_OUT: [&str; 7] = [
    "tests/suites/test_flood.gd",
    "tests/suites/test_listener_flood.gd",
    "tests/suites/test_listener_lossy.gd",
    "tests/suites/test_listener_lossy_interop.gd",
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
                platform: "Linux",
                architecture: "arm64",
                templates: Player::templates(Some(&prefix.join("usr/bin"))),
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
        let qemu = ["qemu-user:amd64"];
        packages::unpack(prefix, engine::SUITE, &["arm64", "amd64"], &engine::PROGRAMS, &qemu)?;
        // Where programs say that their loader is. Debian makes the link when it is installed.
        engine::link(Path::new("usr/lib"), &prefix.join("lib"))?;
        let home = prefix.display();
        stage::write_script(
            &prefix.join("godot"),
            &format!("'{home}/usr/bin/qemu-aarch64' -L '{home}' '{home}/usr/bin/godot'"),
        )?;
        engine::version(&prefix.join("godot"))?;
        Ok(())
    })
}
