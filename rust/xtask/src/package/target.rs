//! What a package can be built for, and how a library for it is built.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::openssl::{self, Compiler};
use crate::python::{self, Environment};
use crate::{cargo, debian_rust, engine_api, process, workspace};

/// The newest glibc that a Linux library may need: the engine's own builds do not run on an older one.
pub(crate) const GLIBC: (u16, u16) = (2, 28);

/// The oldest Android that the engine's export templates run on, as an API level.
const ANDROID_API: u32 = 24;

/// Programs out of a Python package each, so that no machine has to have them.
pub(super) const ZIG: [&str; 2] = ["cargo-zigbuild==0.24.0", "ziglang==0.17.1"];

/// What takes the hour of the build out of mimalloc. Compilers take it from `SOURCE_DATE_EPOCH` too, but zig
/// gives an object out of its cache that was made with another one.
const NO_CLOCK: &str = "-Wno-builtin-macro-redefined -D__DATE__=\"-\" -D__TIME__=\"-\"";

/// A platform, named as `--target` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Target {
    #[value(name = "linux-x86_64")]
    LinuxX86_64,
    #[value(name = "linux-arm64")]
    LinuxArm64,
    #[value(name = "windows-x86_64")]
    WindowsX86_64,
    #[value(name = "macos-universal")]
    MacosUniversal,
    #[value(name = "android-arm64")]
    AndroidArm64,
    #[value(name = "android-x86_64")]
    AndroidX86_64,
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

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// Cargo's profile. Both are optimised; that for the editor keeps gdext's and our own checks.
    fn profile(self) -> &'static str {
        match self {
            Self::Debug => "packed-debug",
            Self::Release => "packed",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (system, architecture) = self.parts();
        write!(f, "{system}-{architecture}")
    }
}

impl Target {
    /// The system and the architecture, as the engine's feature tags have them.
    pub(crate) fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::LinuxX86_64 => ("linux", "x86_64"),
            Self::LinuxArm64 => ("linux", "arm64"),
            Self::WindowsX86_64 => ("windows", "x86_64"),
            Self::MacosUniversal => ("macos", "universal"),
            Self::AndroidArm64 => ("android", "arm64"),
            Self::AndroidX86_64 => ("android", "x86_64"),
        }
    }

    /// Rust's targets; several make one library.
    pub(crate) fn triples(self) -> &'static [&'static str] {
        match self {
            Self::LinuxX86_64 => &["x86_64-unknown-linux-gnu"],
            Self::LinuxArm64 => &["aarch64-unknown-linux-gnu"],
            Self::WindowsX86_64 => &["x86_64-pc-windows-msvc"],
            Self::MacosUniversal => &["x86_64-apple-darwin", "aarch64-apple-darwin"],
            Self::AndroidArm64 => &["aarch64-linux-android"],
            Self::AndroidX86_64 => &["x86_64-linux-android"],
        }
    }

    /// The library's file in `bin/`, as the manifest names it.
    pub(crate) fn file(self, kind: Kind) -> String {
        let (system, architecture) = self.parts();
        let (prefix, extension) = match self {
            Self::WindowsX86_64 => ("", "dll"),
            Self::MacosUniversal => ("lib", "dylib"),
            _ => ("lib", "so"),
        };
        format!("{prefix}dtls_godot.{system}.{}.{architecture}.{extension}", kind.name())
    }

    /// Builds the library; returns where it is.
    pub(crate) fn build(self, kind: Kind) -> Result<PathBuf> {
        let slices = self
            .triples()
            .iter()
            .map(|triple| self.build_for(triple, kind))
            .collect::<Result<Vec<_>>>()?;
        let [one] = slices.as_slice() else {
            return join(&slices, &self.file(kind));
        };
        Ok(one.clone())
    }

    fn build_for(self, triple: &str, kind: Kind) -> Result<PathBuf> {
        let mut command = cargo::command();
        cargo::without_compiler_flags(&mut command);
        let mut flags = remapped_paths()?;
        let mut target = triple.to_owned();
        match self {
            Self::LinuxX86_64 | Self::LinuxArm64 => {
                let zig = zig()?;
                let architecture = triple.split('-').next().unwrap_or(triple);
                let compiler = Compiler {
                    name: "packaged",
                    cc: format!("zig cc -target {architecture}-linux-gnu.{}.{}", GLIBC.0, GLIBC.1),
                    tools: Some(["zig ar", "zig ranlib"]),
                    flags: vec!["-fno-sanitize=undefined".to_owned()],
                    path: Some(&zig),
                    recipe: ZIG.join(" "),
                };
                openssl::build(triple, &compiler)?.set(&mut command, triple);
                command.env(format!("CFLAGS_{}", triple.replace('-', "_")), NO_CLOCK);
                zig.lead_path_of(&mut command)?;
                if self == Self::LinuxArm64 {
                    debian_rust::let_compile_for_arm64(&mut command)?;
                }
                command.arg("zigbuild");
                target = format!("{triple}.{}.{}", GLIBC.0, GLIBC.1);
            }
            Self::WindowsX86_64 => {
                command.arg("build");
                openssl::build_as_the_crate_does(triple)?.set(&mut command, triple);
                // Players need no runtime of Visual C++.
                flags.push("-Ctarget-feature=+crt-static".to_owned());
            }
            Self::MacosUniversal => {
                command.arg("build").env("MACOSX_DEPLOYMENT_TARGET", "11.0");
                openssl::build_as_the_crate_does(triple)?.set(&mut command, triple);
                let name = format!("-Clink-arg=-Wl,-install_name,@rpath/{}", self.file(kind));
                flags.push(name);
            }
            Self::AndroidArm64 | Self::AndroidX86_64 => {
                command.arg("build");
                Ndk::find()?.set(&mut command, triple);
                openssl::build_as_the_crate_does(triple)?.set(&mut command, triple);
                // Devices with pages of 16 KiB load nothing that is aligned to less.
                flags.push("-Clink-arg=-Wl,-z,max-page-size=16384".to_owned());
            }
        }
        command
            .args(["--package", "dtls-godot", "--lib", "--locked", "--target", &target])
            .args(["--profile", kind.profile()])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("GODOT4_GDEXTENSION_JSON", workspace::root().join(engine_api::FILE));
        let label = format!("Building the {} library for {self}", kind.name());
        process::succeed_quietly(&mut command, &label)?;
        let name = match self {
            Self::WindowsX86_64 => "dtls_godot.dll",
            Self::MacosUniversal => "libdtls_godot.dylib",
            _ => "libdtls_godot.so",
        };
        let built = workspace::target_dir()?.join(triple).join(kind.profile()).join(name);
        if !built.is_file() {
            bail!("cargo has built no {}", built.display());
        }
        Ok(built)
    }
}

/// Where zig and cargo-zigbuild are.
pub(super) fn zig() -> Result<Environment> {
    let environment = python::environment("zig", &ZIG)?;
    // Its package has it beside the modules, and no program.
    let program = environment.program("zig");
    if !program.exists() {
        let mut command = Command::new(environment.program("python3"));
        command.args(["-c", "import os, ziglang; print(os.path.dirname(ziglang.__file__))"]);
        let found = process::succeed_quietly(&mut command, "Looking for zig")?.stdout();
        let found = Path::new(found.trim()).join("zig");
        #[cfg(unix)]
        std::os::unix::fs::symlink(found, &program).context("zig cannot be put on the path")?;
        #[cfg(not(unix))]
        bail!("put zig on the path, it is {}", found.display());
    }
    Ok(environment)
}

/// What takes this machine's folders out of the messages within the library, so that it has the same
/// bytes wherever it is built.
fn remapped_paths() -> Result<Vec<String>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("there is neither CARGO_HOME nor a home directory")?;
    let mut folders = vec![
        (workspace::root().to_path_buf(), "/godot-dtls".to_owned()),
        (workspace::target_dir()?.to_path_buf(), "/target".to_owned()),
    ];
    // Below `src` is a folder whose name depends on where packages come from.
    let sources = home.join("registry/src");
    let registries = fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}; `cargo fetch` makes it", sources.display()))?;
    for registry in registries {
        folders.push((registry?.path(), "/crates".to_owned()));
    }
    // The last that fits is taken, so the longer ones come later.
    folders.sort();
    Ok(folders
        .into_iter()
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .collect())
}

/// Joins what is the same library for several processors.
fn join(slices: &[PathBuf], name: &str) -> Result<PathBuf> {
    let joined = workspace::target_dir()?.join("universal").join(name);
    fs::create_dir_all(joined.parent().context("a file is in a directory")?)?;
    let mut command = Command::new("lipo");
    command.arg("-create").args(slices).arg("-output").arg(&joined);
    process::succeed_quietly(&mut command, "Joining the libraries")?;
    Ok(joined)
}

/// Android's compilers.
struct Ndk(PathBuf);

impl Ndk {
    fn find() -> Result<Self> {
        let home = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK_LATEST_HOME"]
            .into_iter()
            .filter_map(env::var_os)
            .find(|value| !value.is_empty())
            .context("please install Android's NDK and set ANDROID_NDK_HOME to its folder")?;
        let hosts = Path::new(&home).join("toolchains/llvm/prebuilt");
        let host = fs::read_dir(&hosts)
            .with_context(|| format!("the NDK has no folder {}", hosts.display()))?
            .flatten()
            .next()
            .with_context(|| format!("{} is empty", hosts.display()))?;
        Ok(Self(host.path().join("bin")))
    }

    fn set(&self, command: &mut Command, triple: &str) {
        let compiler = self.0.join(format!("{triple}{ANDROID_API}-clang"));
        let name = triple.replace('-', "_");
        command
            .env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &compiler)
            .env(format!("CC_{name}"), &compiler)
            .env(format!("AR_{name}"), self.0.join("llvm-ar"))
            .env(format!("RANLIB_{name}"), self.0.join("llvm-ranlib"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_called_what_the_command_line_calls_it() {
        for target in Target::value_variants() {
            let value = target.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), target.to_string());
        }
    }

    #[test]
    fn libraries_are_called_what_the_manifest_calls_them() {
        assert_eq!(Target::LinuxX86_64.file(Kind::Debug), "libdtls_godot.linux.debug.x86_64.so");
        assert_eq!(
            Target::WindowsX86_64.file(Kind::Release),
            "dtls_godot.windows.release.x86_64.dll"
        );
    }
}
