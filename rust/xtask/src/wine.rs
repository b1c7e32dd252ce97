//! Programs for Windows, run by wine 10: Debian's, which is unpacked into the cache.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{self, succeed_quietly};
use crate::{engine, packages, workspace};

/// The suite of Debian's that has version 10. Version 8 lacks a library of Windows 10's that Rust uses.
const SUITE: &str = "trixie";

/// What a program for Windows calls a file of this machine: its root is the drive Z.
pub(crate) fn path(path: &Path) -> String {
    format!("Z:{}", path.display())
}

/// What runs a program, as the first words of a command.
pub(crate) fn runner() -> Result<Vec<OsString>> {
    let home = workspace::target_dir()?.join("wine");
    let prefix = installed()?;
    let words = [
        "env".into(),
        format!("WINEPREFIX={}", home.display()),
        // Neither .NET nor a browser, which it would ask for.
        "WINEDLLOVERRIDES=mscoree,mshtml=".to_owned(),
        // What it has not got is nobody's business but its own.
        "WINEDEBUG=-all".to_owned(),
        prefix.join("usr/lib/wine/wine64").display().to_string(),
    ];
    let words: Vec<OsString> = words.map(Into::into).into();
    packages::complete(&home, || {
        // A library that Debian packs apart, and that an installation has elsewhere.
        let system = home.join("drive_c/windows/system32");
        fs::create_dir_all(&system)?;
        let zlib = prefix.join("usr/x86_64-w64-mingw32/lib/zlib1.dll");
        fs::copy(zlib, system.join("zlib1.dll"))?;
        let mut boot = process::by(&words, "wineboot".as_ref());
        succeed_quietly(boot.arg("--init"), "Setting up wine")?;
        Ok(())
    })?;
    Ok(words)
}

fn installed() -> Result<PathBuf> {
    packages::cached("wine-10", |prefix| {
        packages::unpack(
            prefix,
            SUITE,
            &["amd64"],
            &["libunwind8", "patchelf"],
            // By itself it wants much for pictures and sound.
            &["libwine", "libz-mingw-w64", "wine64"],
        )?;
        let libraries = prefix.join(engine::LIBRARIES);
        let programs = prefix.join("usr/lib/wine");
        let mut patchelf = engine::through_loader(&libraries, &prefix.join("usr/bin/patchelf"));
        patchelf.arg("--set-interpreter").arg(libraries.join(engine::LOADER));
        patchelf.args(["--force-rpath", "--set-rpath"]).arg(&libraries);
        patchelf.args(["wine64", "wineserver64"].map(|name| programs.join(name)));
        succeed_quietly(&mut patchelf, "Setting up wine")?;
        // It starts a script of that name, which has the paths of an installation.
        fs::remove_file(programs.join("wineserver"))?;
        engine::link(Path::new("wineserver64"), &programs.join("wineserver"))?;
        // And looks for its data one folder deeper than they are packed.
        engine::link(Path::new("."), &prefix.join("usr/share/wine/wine"))?;
        // Nobody has a program of 32 bits.
        fs::remove_dir_all(libraries.join("wine/i386-windows"))?;
        Ok(())
    })
    .context("wine cannot be installed from Debian's packages")
}
