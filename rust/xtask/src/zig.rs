//! zig, which compiles and links for other platforms than this machine, with the headers of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::openssl::{self, Compiler};
use crate::packages::{self, Environment};
use crate::process::succeed_quietly;
use crate::{cargo, engine, stage, standard_library, workspace};

/// The newest glibc that a Linux library may need: the engine's own builds do not run on an older one.
pub(crate) const GLIBC: (u16, u16) = (2, 28);

/// The oldest macOS that the engine's export templates run on.
pub(crate) const MACOS: &str = "11.0";

/// Programs out of a Python package each, so that no machine has to have them.
const ZIG: [&str; 2] = ["cargo-zigbuild==0.24.0", "ziglang==0.17.1"];

/// What takes the hour of the build out of mimalloc. Compilers take it from `SOURCE_DATE_EPOCH` too, but zig
/// gives an object out of its cache that was made with another one.
const NO_CLOCK: &str = "-Wno-builtin-macro-redefined -D__DATE__=\"-\" -D__TIME__=\"-\"";

/// Links for macOS in place of zig, whose libraries show every function that is in them, and are not signed if for
/// x86_64: LLVM's, which comes with Rust. It signs ad hoc, which names nobody, and leaves out the names within.
pub(crate) const MACOS_LINKER: [&str; 5] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld64.lld",
    "-Clink-arg=-adhoc_codesign",
    "-Clink-arg=-dead_strip_dylibs",
    "-Clink-args=-S -x",
];

/// A call of cargo's `subcommand` that compiles for `triple`, and links the OpenSSL that is built for it.
pub(crate) fn cargo(triple: &str, subcommand: &str) -> Result<Command> {
    let zig = zig()?;
    let mut command = Command::new(zig.program("cargo-zigbuild"));
    command.current_dir(workspace::root()).arg(subcommand);
    cargo::without_run_variables(&mut command);
    cargo::without_compiler_flags(&mut command);
    let compiler = Compiler {
        name: "packaged",
        cc: format!("zig cc -target {}", target(triple)),
        tools: Some(["zig ar", "zig ranlib"]),
        flags: "-fno-sanitize=undefined",
        path: Some(&zig),
        recipe: ZIG.join(" "),
    };
    openssl::build(triple, &compiler)?.set(&mut command, triple);
    command.env(format!("CFLAGS_{}", triple.replace('-', "_")), flags(triple));
    zig.lead_path_of(&mut command)?;
    standard_library::let_compile(&mut command, triple)?;
    Ok(command)
}

/// A folder with as much of Apple's SDK as `MACOS_LINKER` needs: zig's list of what the libraries of macOS have. It
/// goes into the environment, since a path among the arguments would decide about the library's bytes.
pub(crate) fn macos_libraries() -> Result<PathBuf> {
    let list = zig()?.program("zig").canonicalize()?;
    let list = list.with_file_name("lib/libc/darwin/libSystem.tbd");
    let list =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    // LLVM 22 does not know that processor, for which nothing is built.
    let list = list.replace("arm64e.x1-", "arm64e-");
    let folder = workspace::target_dir()?.join("macos");
    // Others that Rust asks for by name are parts of the first, or nothing is taken from them.
    for name in ["libSystem.tbd", "libc.tbd", "libiconv.tbd", "libm.tbd"] {
        stage::write(&folder.join("usr/lib").join(name), list.as_bytes())?;
    }
    Ok(folder)
}

/// What cargo-zigbuild calls a platform.
pub(crate) fn cargo_target(triple: &str) -> String {
    let is_linux = triple.contains("-linux-");
    if is_linux { format!("{triple}.{}.{}", GLIBC.0, GLIBC.1) } else { triple.to_owned() }
}

/// What zig calls it.
fn target(triple: &str) -> String {
    let architecture = triple.split('-').next().unwrap_or(triple);
    if triple.contains("-windows-") {
        format!("{architecture}-windows-gnu")
    } else if triple.contains("-apple-") {
        format!("{architecture}-macos.{MACOS}")
    } else {
        format!("{architecture}-linux-gnu.{}.{}", GLIBC.0, GLIBC.1)
    }
}

/// What C is compiled with that cargo compiles.
fn flags(triple: &str) -> String {
    // Without it mimalloc keeps 52 KiB for each thread that has ended: its callbacks for that are registered in a
    // way that Visual C++ alone knows.
    let of_windows = if triple.contains("-windows-") { " -DMI_WIN_INIT_USE_FLS=1" } else { "" };
    format!("{NO_CLOCK}{of_windows}")
}

/// Where zig and cargo-zigbuild are.
fn zig() -> Result<Environment> {
    let environment = packages::python(&ZIG)?;
    // Its package has it beside the modules, and no program.
    let program = environment.program("zig");
    if !program.exists() {
        let mut command = Command::new(environment.program("python3"));
        command.args(["-c", "import os, ziglang; print(os.path.dirname(ziglang.__file__))"]);
        let folder = succeed_quietly(&mut command, "")?.text().to_owned();
        engine::link(&Path::new(folder.trim()).join("zig"), &program)
            .context("zig cannot be put on PATH")?;
    }
    Ok(environment)
}
