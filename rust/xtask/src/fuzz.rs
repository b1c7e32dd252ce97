//! `cargo xtask fuzz`: libFuzzer looks for input that breaks the core.
//!
//! Only stable Rust is needed: rustc passes LLVM's coverage on to our crates, Debian's clang gives it to
//! OpenSSL, and the crate libfuzzer-sys brings libFuzzer. All of it is built in a directory of its own
//! below the target directory.
//!
//! New input is kept in `target/fuzz/corpus/`, where the next run finds it. What of it the repository
//! should have, libFuzzer chooses: `PROGRAM -merge=1 rust/fuzz/corpus/TARGET target/fuzz/corpus/TARGET`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::openssl::{self, Compiler};
use crate::output::{Counts, Steps};
use crate::process::{self, Finished, Run, on_path};
use crate::{cargo, debian, workspace};

/// The programs in rust/fuzz.
pub(crate) const TARGETS: [&str; 4] = ["config", "door", "established", "handshake"];

/// What libFuzzer wants to see: which code ran, and what was compared with what.
const C_COVERAGE: &str = "-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";
const RUST_COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// One target or all of them, each for that long.
pub(crate) fn run(target: Option<&str>, minutes: u64) -> Result<ExitCode> {
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|it| target.is_none_or(|t| t == *it)).collect();
    let mut steps = Steps::default();
    steps.step("fuzz", || check(&targets, Duration::from_secs(60 * minutes)));
    Ok(steps.finish())
}

/// One target after the other; each counts as one.
pub(crate) fn check(targets: &[&str], time: Duration) -> Result<Counts> {
    if !on_path("clang") || !on_path("clang++") {
        // It brings the C++ library that libFuzzer is compiled with.
        debian::install(&["clang"]).context("the fuzzers' OpenSSL is compiled with clang")?;
    }
    let dir = workspace::target_dir()?.join("fuzz");
    let programs = build(&dir)?;
    let mut counts = Counts::default();
    for target in targets {
        counts += Counts::check(fuzz(&dir, &programs, target, time)?);
    }
    Ok(counts)
}

/// Builds every target below `dir`; returns where the programs are.
fn build(dir: &Path) -> Result<PathBuf> {
    let host = cargo::host()?;
    let fuzz = workspace::root().join("rust/fuzz");
    let ignored = fuzz.join("uninstrumented.txt");
    let c_flags = format!("{C_COVERAGE} -fsanitize-coverage-ignorelist={}", ignored.display());
    let suffix = host.replace('-', "_");
    let mut openssl = Compiler::of_this_machine("fuzzed", "clang");
    openssl.flags.extend(c_flags.split(' ').map(str::to_owned));
    let mut command = cargo::command();
    command
        .args(["build", "--package", "fuzz", "--features", "libfuzzer", "--bins"])
        .args(["--profile", "fuzz"])
        // With a target named, build scripts and macros are built without these flags.
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(dir)
        .env("RUSTFLAGS", RUST_COVERAGE.join(" "))
        .env(format!("CC_{suffix}"), "clang")
        .env(format!("CXX_{suffix}"), "clang++")
        .env(format!("CFLAGS_{suffix}"), c_flags);
    openssl::build(&host, &openssl)?.set(&mut command, &host);
    process::succeed_quietly(&mut command, "Building the fuzzers")?;
    Ok(dir.join(host).join("fuzz"))
}

/// Runs one target; tells whether it has found nothing.
fn fuzz(dir: &Path, programs: &Path, target: &str, time: Duration) -> Result<bool> {
    let program = programs.join(target);
    let known = workspace::root().join("rust/fuzz/corpus").join(target);
    let found = make(dir.join("corpus").join(target))?;
    let broken = make(dir.join("artifacts").join(target))?;
    let mut command = Command::new(&program);
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        .args(["-timeout=10", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", broken.display()))
        // What is new goes into the first.
        .args([&found, &known])
        .env("RUST_BACKTRACE", "1")
        .current_dir(workspace::root());
    let label = format!("Fuzzing {target} for {} s", time.as_secs());
    let limit = Some(time + Duration::from_secs(120));
    let finished = process::run(&mut command, Run { label: Some(&label), live: false, limit })?;
    let text = finished.text();
    if finished.success() {
        let summary = summary(&text).context("libFuzzer has printed no figures")?;
        println!("   {target}: {summary}");
        return Ok(true);
    }
    if finished.status.is_none() {
        bail!("{target} did not end, and was ended");
    }
    println!("{}", complaint(&finished));
    if let Some(artifact) = artifact(&text) {
        println!("   {target} has found {artifact}");
        println!("   Run it again: {} {artifact}", program.display());
        println!("   Once it is repaired, keep it: it goes into {}/", known.display());
    }
    Ok(false)
}

fn make(dir: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// What was printed, without libFuzzer's progress.
fn complaint(finished: &Finished) -> String {
    let lines = finished.lines.iter().map(|line| line.text.as_str());
    lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// How much was run, and how much code it reached.
fn summary(output: &str) -> Option<String> {
    let figure = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    let runs = figure("stat::number_of_executed_units:")?;
    let speed = figure("stat::average_exec_per_sec:")?;
    let new = figure("stat::new_units_added:")?;
    let coverage = output.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()
    })?;
    Some(format!("{runs} runs, {speed} a second, {coverage} places in the code, {new} new inputs"))
}

/// The file with the input that broke something.
fn artifact(output: &str) -> Option<&str> {
    output.lines().find_map(|line| Some(line.split_once("Test unit written to ")?.1.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_run_are_found() {
        let output = "#2\tINITED cov: 39 ft: 39 corp: 1/1b\n\
            #4096\tpulse  cov: 811 ft: 1320 corp: 51/2b\n\
            Done 5000 runs in 2 second(s)\n\
            stat::number_of_executed_units: 5000\n\
            stat::average_exec_per_sec:     2500\n\
            stat::new_units_added:          50\n";
        let expected = "5000 runs, 2500 a second, 811 places in the code, 50 new inputs";
        assert_eq!(summary(output).as_deref(), Some(expected));
        assert_eq!(summary("Done 5000 runs"), None);
    }

    #[test]
    fn what_broke_something_is_found() {
        let output = "SUMMARY: libFuzzer: deadly signal\n\
            artifact_prefix='x/'; Test unit written to x/crash-1a\nBase64: bPGm\n";
        assert_eq!(artifact(output), Some("x/crash-1a"));
        assert_eq!(artifact("Done 5000 runs"), None);
    }

    #[test]
    fn every_target_is_known() {
        let dir = workspace::root().join("rust/fuzz/fuzz_targets");
        let files = fs::read_dir(dir).expect("the targets are there");
        let mut names: Vec<String> = files
            .map(|file| file.expect("it can be read").path())
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        assert_eq!(names, TARGETS);
    }
}
