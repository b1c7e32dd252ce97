//! The engine for Linux on arm64, run on this machine: out of Debian's testing suite like
//! [`crate::engine_package`], with that suite's qemu, which emulates the processor and passes what a
//! program asks of the system on to this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine_package::{PrivateApt, unpack, work_dir, write_script};
use crate::exported_game::Player;
use crate::{cache, debian, engine};

/// Counts up when what is installed changes, so that an older one is not taken for it.
const RECIPE: u32 = 1;
const ARCHITECTURES: [&str; 2] = ["arm64", "amd64"];
const PACKAGES: [&str; 3] = ["godot", "godot-template-release", "godot-template-debug"];
/// Linked statically, so it needs nothing else.
const QEMU_PACKAGE: &str = "qemu-user:amd64";
const QEMU: &str = "qemu-aarch64";

/// Where the engine, its templates and qemu are.
pub(crate) struct EmulatedEngine(PathBuf);

impl EmulatedEngine {
    /// The packages are downloaded on the first call.
    pub(crate) fn install() -> Result<Self> {
        if !debian::can_run_packages() {
            bail!("the emulated engine comes from Debian's packages, and runs on x86_64 only");
        }
        let engine = Self(cache::dir()?.join(format!("engine-arm64-{RECIPE}")));
        cache::complete(&engine.0, || {
            fetch(&engine.0).context("Godot for arm64 cannot be had from Debian's packages")?;
            let version = engine::version_text(&engine.program())?;
            eprintln!("Godot {version} for arm64 is in {}", engine.0.display());
            Ok(())
        })?;
        Ok(engine)
    }

    /// A script that starts the engine in the emulator.
    pub(crate) fn program(&self) -> PathBuf {
        self.0.join("godot")
    }

    /// For games exported for arm64.
    pub(crate) fn player(&self) -> Player {
        let prefix = self.0.clone();
        Player {
            architecture: "arm64",
            templates: Some(self.0.join("usr/bin")),
            command: Box::new(move |program| {
                let mut command = Command::new(prefix.join("usr/bin").join(QEMU));
                command.arg("-L").arg(&prefix).arg(program);
                command
            }),
        }
    }
}

fn fetch(prefix: &Path) -> Result<()> {
    let work = work_dir(prefix)?;
    let apt = PrivateApt::new(work.path(), &ARCHITECTURES)?;
    let what = "Downloading the Godot engine for arm64 and qemu (about 240 MB, once)";
    apt.download(&PACKAGES, what)?;
    let archives = apt.download_alone(&[QEMU_PACKAGE], what)?;
    let unpacked = work.path().join("prefix");
    unpack(&archives, &unpacked)?;
    let bin = unpacked.join("usr/bin");
    // qemu's package has it for 40 processors, in 470 MB.
    for entry in fs::read_dir(&bin)?.flatten() {
        let name = entry.file_name();
        if name != QEMU && name.to_string_lossy().starts_with("qemu-") {
            fs::remove_file(entry.path())?;
        }
    }
    // Where programs say that their loader is. Debian makes the link when it is installed.
    #[cfg(unix)]
    std::os::unix::fs::symlink("usr/lib", unpacked.join("lib"))?;
    let home = prefix.display();
    let command = format!("'{home}/usr/bin/{QEMU}' -L '{home}' '{home}/usr/bin/godot'");
    write_script(&unpacked.join("godot"), &command)?;
    fs::rename(&unpacked, prefix)
        .with_context(|| format!("cannot move the engine to {}", prefix.display()))
}
