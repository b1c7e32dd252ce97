//! `cargo xtask fuzz`: libFuzzer looks for input that breaks the core, by way of cargo-fuzz.
//!
//! Only stable Rust is needed, since no sanitizer is used. Debian's clang gives LLVM's coverage to an OpenSSL
//! of its own. New input is kept in `target/fuzz/corpus/`, where the next run finds it. What of it the repository
//! should have, libFuzzer chooses: `PROGRAM -merge=1 rust/fuzz/corpus/TARGET target/fuzz/corpus/TARGET`.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::openssl::{self, Compiler};
use crate::output::{Counts, Steps};
use crate::{cargo, packages, process, workspace};

const CARGO_FUZZ: &str = "0.13.2";

/// What libFuzzer wants to see of C: which code ran, and what was compared with what.
const C_COVERAGE: &str = "-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";

/// One target or all of them, each for that long.
pub(crate) fn run(target: Option<&str>, minutes: u64) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("fuzz", || check(target, Duration::from_secs(60 * minutes)));
    Ok(steps.finish())
}

/// One target after the other, or `only` that one; each counts as one.
pub(crate) fn check(only: Option<&str>, time: Duration) -> Result<Counts> {
    // It compiles OpenSSL, and brings the C++ library that libFuzzer is compiled with.
    packages::install_program("clang++", "clang")?;
    let (tool, host) = (packages::cargo_program("cargo-fuzz", CARGO_FUZZ, "")?, cargo::host()?);
    let (source, dir) =
        (workspace::root().join("rust/fuzz"), workspace::target_dir()?.join("fuzz"));
    let ignored = source.join("uninstrumented.txt");
    let flags = format!("{C_COVERAGE} -fsanitize-coverage-ignorelist={}", ignored.display());
    let compiler = Compiler { flags: &flags, ..Compiler::of_this_machine("fuzzed", "clang") };
    let openssl = openssl::build(&host, &compiler)?;
    let suffix = host.replace('-', "_");

    let mut counts = Counts::default();
    for file in fs::read_dir(source.join("fuzz_targets"))? {
        let file = file?.path();
        let target = file.file_stem().and_then(|stem| stem.to_str()).context("a name")?;
        if only.is_some_and(|only| only != target) {
            continue;
        }
        let found = dir.join("corpus").join(target);
        fs::create_dir_all(&found)?;
        let mut command = Command::new(&tool);
        cargo::without_run_variables(&mut command);
        command
            .current_dir(workspace::root())
            .args(["run", "--sanitizer", "none", "--debug-assertions", "--features", "libfuzzer"])
            .arg("--fuzz-dir")
            .arg(&source)
            .arg("--target-dir")
            .arg(&dir)
            .arg(target)
            // What is new goes into the first.
            .args([&found, &source.join("corpus").join(target)])
            .args(["--", "-timeout=10", &format!("-max_total_time={}", time.as_secs())])
            .env(format!("CC_{suffix}"), "clang")
            .env(format!("CXX_{suffix}"), "clang++")
            .env(format!("CFLAGS_{suffix}"), &flags)
            // Not as what is released: that takes minutes to build, and names no lines.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_STRIP", "none")
            .env("RUST_BACKTRACE", "1");
        openssl.set(&mut command, &host);
        let finished = process::run(&mut command, &format!("Fuzzing {target}"), None)?;
        let text = finished.text();
        if let (true, Some((_, done))) = (finished.success(), text.split_once("Done ")) {
            print!("   {target}: {done}");
            counts += Counts::PASS;
            continue;
        }
        // Without libFuzzer's progress.
        text.lines().filter(|line| !line.starts_with('#')).for_each(|line| println!("{line}"));
        let program = dir.join(&host).join("release").join(target);
        println!("   Run it again, with the file that it has written: {} FILE", program.display());
        println!("   Once it is repaired, keep the file in rust/fuzz/corpus/{target}/");
        counts += Counts::FAIL;
    }
    Ok(counts)
}
