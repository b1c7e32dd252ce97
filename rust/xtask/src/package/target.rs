//! What a package can be built for, and how a library for it is built.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fat_macho::FatWriter;

use crate::openssl::{self, Compiler};
use crate::process::succeed_quietly;
use crate::{cargo, engine_api, standard_library, workspace, zig};

/// Names the one function of the library for Windows that others see. The linker runs at the root of the
/// repository, and a path from there is the same on every machine.
const EXPORTS: &str = "rust/dtls-godot/windows.def";

/// The oldest Android that the engine's export templates run on, as an API level.
const ANDROID_API: u32 = 24;

/// On Windows itself with Visual C++, elsewhere with zig: both of LLVM's make.
const WINDOWS_X86_64: &str =
    if cfg!(windows) { "x86_64-pc-windows-msvc" } else { "x86_64-pc-windows-gnullvm" };
const WINDOWS_ARM64: &str =
    if cfg!(windows) { "aarch64-pc-windows-msvc" } else { "aarch64-pc-windows-gnullvm" };

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As the engine's feature tags have it, and the architecture too.
    pub(crate) system: &'static str,
    pub(crate) architecture: &'static str,
    /// Rust's targets; several make one library.
    pub(crate) triples: &'static [&'static str],
}

const fn target(
    system: &'static str,
    architecture: &'static str,
    triples: &'static [&'static str],
) -> Target {
    Target { system, architecture, triples }
}

/// Which of an engine's two kinds a library is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The editor, and games exported with debugging.
    Debug,
    /// Games as players get them.
    Release,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Debug, Self::Release];

    /// As the engine calls it, and cargo's profile. Both are optimised; that for the editor keeps gdext's and our
    /// own checks.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Debug => ("debug", "packed-debug"),
            Self::Release => ("release", "packed"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.names().0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.system, self.architecture)
    }
}

impl Target {
    pub(crate) const LINUX_X86_64: Self = target("linux", "x86_64", &["x86_64-unknown-linux-gnu"]);
    pub(crate) const LINUX_ARM64: Self = target("linux", "arm64", &["aarch64-unknown-linux-gnu"]);
    pub(crate) const WINDOWS_X86_64: Self = target("windows", "x86_64", &[WINDOWS_X86_64]);
    pub(crate) const ALL: [Self; 7] = [
        Self::LINUX_X86_64,
        Self::LINUX_ARM64,
        Self::WINDOWS_X86_64,
        target("windows", "arm64", &[WINDOWS_ARM64]),
        target("macos", "universal", &["x86_64-apple-darwin", "aarch64-apple-darwin"]),
        target("android", "arm64", &["aarch64-linux-android"]),
        target("android", "x86_64", &["x86_64-linux-android"]),
    ];

    /// The one that `--target` calls so.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|target| target.to_string() == name);
        let names = Self::ALL.map(|target| target.to_string()).join(", ");
        found.with_context(|| format!("there are {names}"))
    }

    /// What cargo calls the library, in two parts.
    fn library(self) -> (&'static str, &'static str) {
        match self.system {
            "windows" => ("dtls_godot", "dll"),
            "macos" => ("libdtls_godot", "dylib"),
            _ => ("libdtls_godot", "so"),
        }
    }

    /// The library's file in `bin/`, as the manifest names it.
    pub(crate) fn file(self, kind: Kind) -> String {
        let Self { system, architecture, .. } = self;
        let (name, extension) = self.library();
        format!("{name}.{system}.{}.{architecture}.{extension}", kind.name())
    }

    /// Builds the library; returns where it is.
    pub(crate) fn build(self, kind: Kind) -> Result<PathBuf> {
        let slices = self.triples.iter().map(|triple| self.build_for(triple, kind));
        let slices = slices.collect::<Result<Vec<_>>>()?;
        if let [one] = slices.as_slice() {
            return Ok(one.clone());
        }
        let joined = workspace::target_dir()?.join("universal").join(self.file(kind));
        fs::create_dir_all(joined.parent().context("a file is in a directory")?)?;
        let mut writer = FatWriter::new();
        for slice in &slices {
            writer.add_file(slice)?;
        }
        writer.write_to_file(&joined)?;
        Ok(joined)
    }

    /// Whether zig compiles and links it, on any machine, in place of the compilers of the platform itself.
    fn is_crossed(self) -> bool {
        match self.system {
            "linux" => true,
            "windows" => !cfg!(windows),
            "macos" => !cfg!(target_os = "macos"),
            _ => false,
        }
    }

    fn build_for(self, triple: &str, kind: Kind) -> Result<PathBuf> {
        let mut flags = cargo::remapped(&[
            (workspace::root(), "/godot-dtls"),
            (workspace::target_dir()?, "/target"),
        ])?;
        let (mut command, target) = if self.is_crossed() {
            let command = zig::cargo(triple, "zigbuild")?;
            (command, zig::cargo_target(triple))
        } else {
            let mut command = cargo::command();
            cargo::without_compiler_flags(&mut command);
            if self.system == "android" {
                set_ndk(&mut command, triple)?;
            } else {
                openssl::build_as_the_crate_does(triple)?.set(&mut command, triple);
            }
            command.arg("build");
            (command, triple.to_owned())
        };
        match self.system {
            "windows" if self.is_crossed() => flags.push(format!("-Clink-arg={EXPORTS}")),
            // Players need no runtime of Visual C++.
            "windows" => flags.push("-Ctarget-feature=+crt-static".to_owned()),
            "macos" => {
                command.env("MACOSX_DEPLOYMENT_TARGET", zig::MACOS);
                let name = format!("-Clink-args=-install_name @rpath/{}", self.file(kind));
                flags.push(name);
                if self.is_crossed() {
                    flags.extend(zig::MACOS_LINKER.map(str::to_owned));
                    command.env("SDKROOT", zig::macos_libraries()?);
                } else {
                    // Apple's linker by itself signs what is for arm64 alone.
                    flags.push("-Clink-arg=-Wl,-adhoc_codesign".to_owned());
                }
            }
            "android" => {
                // Devices with pages of 16 KiB load nothing that is aligned to less.
                flags.push("-Clink-arg=-Wl,-z,max-page-size=16384".to_owned());
            }
            _ => {}
        }
        command
            .args(["--package", "dtls-godot", "--lib", "--locked", "--target", &target])
            .args(["--profile", kind.names().1])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("GODOT4_GDEXTENSION_JSON", workspace::root().join(engine_api::FILE));
        let label = format!("Building the {} library for {self}", kind.name());
        succeed_quietly(&mut command, &label)?;
        let (name, extension) = self.library();
        let folder = workspace::target_dir()?.join(triple).join(kind.names().1);
        Ok(folder.join(name).with_extension(extension))
    }
}

/// Has a command compile with Android's compilers, as OpenSSL is.
fn set_ndk(command: &mut Command, triple: &str) -> Result<()> {
    let home = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK_LATEST_HOME"]
        .into_iter()
        .filter_map(env::var_os)
        .find(|value| !value.is_empty())
        .context("please install Android's NDK and set ANDROID_NDK_HOME to its folder")?;
    let hosts = Path::new(&home).join("toolchains/llvm/prebuilt");
    let host = fs::read_dir(&hosts).ok().and_then(|mut entries| entries.next()?.ok());
    let bin = host.with_context(|| format!("there is no {}", hosts.display()))?.path().join("bin");
    let compiler = bin.join(format!("{triple}{ANDROID_API}-clang"));
    let name = triple.replace('-', "_");
    let [ar, ranlib] = ["llvm-ar", "llvm-ranlib"].map(|tool| bin.join(tool).display().to_string());
    command
        .env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &compiler)
        .env(format!("CC_{name}"), &compiler)
        .env(format!("AR_{name}"), &ar)
        .env(format!("RANLIB_{name}"), &ranlib);
    let compiler = Compiler {
        tools: Some([&ar, &ranlib]),
        ..Compiler::of_this_machine("packaged", &compiler.display().to_string())
    };
    openssl::build(triple, &compiler)?.set(command, triple);
    standard_library::let_compile(command, triple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_called_what_the_manifest_calls_them() {
        let manifest = include_str!("../../../../dtls.gdextension");
        for target in Target::ALL {
            assert_eq!(Target::named(&target.to_string()).expect("its name"), target);
            for kind in Kind::ALL {
                assert!(manifest.contains(&target.file(kind)), "{}", target.file(kind));
            }
        }
    }
}
