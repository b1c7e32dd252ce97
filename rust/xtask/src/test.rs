//! `cargo xtask test`: every check and every test, and last a line `N passed, N failed`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use cargo_metadata::{Artifact, Message};

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::process::{self, succeed_quietly};
use crate::{bench, cargo, packages, stage, tidy, workspace};

/// How long each test inside the engine may take, and the start before the first. It is for an engine that
/// hangs as a whole: `runner.gd` gives one test up after a minute.
const TEST_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Programs that the tests in the engine run, and Debian's packages with them.
const PEERS: [(&str, &str); 3] =
    [("openssl", "openssl"), ("gnutls-cli", "gnutls-bin"), ("strace", "strace")];

/// Has some tests do more.
const SOAK: (&str, &str) = ("DTLS_SOAK", "1");

/// The crates that are shipped, and what feeds them. The others are tools.
const PRODUCT: [&str; 6] =
    ["dtls-core", "dtls-godot", "dtls-issuer", "dtls-net", "fuzz", "openssl-mimalloc"];

/// Everything. With `soak`, the tests over bad links run with as many seeds as they ever do.
pub(crate) fn run_all(soak: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("format", || check(cargo::command().args(["fmt", "--all", "--check"])));
    steps.step("tidy", tidy::check);
    steps.step("gdscript", gdscript);
    let mut is_built = false;
    steps.step("build", || {
        build_linted(&["--lib", "--bin", "netsim"])?;
        let folder = workspace::target_dir()?.join("debug");
        build::NETSIM.get_or_init(|| folder.join("netsim"));
        stage::stage(&workspace::godot_project(), &folder.join(build::LIBRARY), false)?;
        is_built = true;
        Ok(Counts::PASS)
    });
    if is_built {
        // The engine waits more than it computes, so everything else goes on meanwhile.
        thread::scope(|scope| {
            let engine = scope.spawn(|| engine_tests(None, soak));
            let mut programs = Vec::new();
            steps.step("build and lint the tests", || {
                programs = build_everything()?;
                Ok(Counts::PASS)
            });
            let (product, tools): (Vec<_>, Vec<_>) = programs.into_iter().partition(is_of_product);
            steps.step("tool tests", || rust_tests(&tools, &[], false));
            steps.step("rust tests", || rust_tests(&product, &[], soak));
            steps.step("doc tests", || {
                let args = ["test", "--workspace", "--no-fail-fast", "--doc"];
                results(linting()?.args(args), "Testing")
            });
            steps.step("engine tests", || joined(engine));
        });
        steps.step("bench", || bench::smoke(&Engine::find()?));
    }
    Ok(steps.finish())
}

/// The tests inside the engine alone, or those of them whose names contain `filter`.
pub(crate) fn run_engine(filter: Option<&str>, release: bool, soak: bool) -> Result<ExitCode> {
    build_and_stage(release)?;
    let mut steps = Steps::default();
    steps.step("engine tests", || engine_tests(filter, soak));
    Ok(steps.finish())
}

/// A command that passes or fails as a whole. Its output is shown if it fails.
pub(crate) fn check(command: &mut Command) -> Result<Counts> {
    let finished = process::run(command, "Checking", None)?;
    if !finished.success() {
        println!("{}", finished.text());
    }
    Ok(Counts::check(finished.success()))
}

/// What a program says of the repository.
pub(crate) fn checker(program: &Path, args: &[&str]) -> Result<Counts> {
    let mut command = Command::new(program);
    cargo::without_run_variables(&mut command);
    check(command.current_dir(workspace::root()).args(args))
}

/// Whether the project's scripts are formatted and lint clean.
fn gdscript() -> Result<Counts> {
    let files = workspace::files()?;
    let scripts: Vec<_> = files.iter().map(|it| &**it).filter(|it| it.ends_with(".gd")).collect();
    ensure!(!scripts.is_empty(), "there is no GDScript");
    let mut counts =
        checker(&packages::checker("gdformat")?, &[&["--check"], &scripts[..]].concat())?;
    counts += checker(&packages::checker("gdlint")?, &scripts)?;
    Ok(counts)
}

/// A crate's folder, and a program that cargo has made of its tests.
type TestProgram = (PathBuf, String);

/// Whether a test is one of a crate that is shipped.
pub(crate) fn is_of_product((folder, _): &TestProgram) -> bool {
    PRODUCT.iter().any(|name| folder.ends_with(name))
}

/// Builds everything, all at once, so that nothing is built twice with different features.
pub(crate) fn build_everything() -> Result<Vec<TestProgram>> {
    programs(build_linted(&["--all-targets"])?)
}

/// Those of the tests.
pub(crate) fn programs(artifacts: Vec<Artifact>) -> Result<Vec<TestProgram>> {
    let programs: Vec<_> = artifacts
        .into_iter()
        .filter(|it| it.profile.test)
        .filter_map(|test| Some((test.manifest_path.parent()?.into(), test.executable?.into())))
        .collect();
    ensure!(!programs.is_empty(), "cargo names no test program");
    Ok(programs)
}

/// Cargo, with clippy as the compiler of the workspace: so nothing is compiled for its lints alone.
fn linting() -> Result<Command> {
    let mut command = cargo::with_openssl()?;
    let driver = cargo::rustc(&["--print", "sysroot"])? + "/bin/clippy-driver";
    command.env("RUSTC_WORKSPACE_WRAPPER", driver);
    Ok(command)
}

/// Builds these targets of the workspace.
fn build_linted(targets: &[&str]) -> Result<Vec<Artifact>> {
    let mut command = linting()?;
    artifacts(command.args(["build", "--workspace"]).args(targets))
}

/// What a command of cargo's builds. A warning is an error.
pub(crate) fn artifacts(command: &mut Command) -> Result<Vec<Artifact>> {
    let finished = process::run(command.arg("--message-format=json"), "Building", None)?;
    let (mut artifacts, mut complaints) = (Vec::new(), String::new());
    for message in Message::parse_stream(finished.text().as_bytes()) {
        match message? {
            Message::CompilerArtifact(artifact) => artifacts.push(artifact),
            Message::CompilerMessage(it) => complaints += &it.to_string(),
            Message::TextLine(line) if !finished.success() => complaints += &(line + "\n"),
            _ => {}
        }
    }
    ensure!(finished.success() && complaints.is_empty(), "cargo says:\n{complaints}");
    Ok(artifacts)
}

/// Runs them, by `runner` if there is any.
pub(crate) fn rust_tests(
    programs: &[TestProgram],
    runner: &[OsString],
    soak: bool,
) -> Result<Counts> {
    let mut counts = Counts::default();
    for (folder, program) in programs {
        let mut command = process::by(runner, program.as_ref());
        cargo::without_run_variables(&mut command);
        // As cargo does.
        command.current_dir(folder).envs(soak.then_some(SOAK));
        counts += results(&mut command, &format!("Testing {program}"))?;
    }
    Ok(counts)
}

/// The sum over lines like `test result: ok. 4 passed; 0 failed; 0 ignored; …` that a command prints.
fn results(command: &mut Command, label: &str) -> Result<Counts> {
    let finished = process::run(command, label, None)?;
    let mut counts = test_results(finished.text());
    // It did not compile, or a test ended its whole process.
    if !finished.success() && counts.failed == 0 {
        counts += Counts::FAIL;
    }
    if counts.failed > 0 {
        println!("{}", finished.text());
    }
    Ok(counts)
}

fn test_results(output: &str) -> Counts {
    let mut counts = Counts::default();
    for (_, result) in output.lines().filter_map(|line| line.split_once("test result: ")) {
        for part in result.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => counts.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => counts.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    counts
}

/// The tests inside the engine with what is staged, or those whose names contain `filter`.
pub(crate) fn engine_tests(filter: Option<&str>, soak: bool) -> Result<Counts> {
    engine_tests_in(&Engine::find()?, &workspace::godot_project(), filter, soak)
}

/// The suites that start editors one after the other, or wait for a time. They have an engine of their own beside
/// the one that runs all others.
const APART: &str = "plugin,slow";

/// The tests in a project, run by an engine: by two, if it is all of them.
pub(crate) fn engine_tests_in(
    engine: &Engine,
    project: &Path,
    filter: Option<&str>,
    soak: bool,
) -> Result<Counts> {
    let tests = TestsInside { engine, project, netsim: &build::netsim()?, soak };
    if let Some(filter) = filter {
        return tests.run("test", &[filter], true);
    }
    thread::scope(|scope| {
        let apart = scope.spawn(|| tests.run("test-apart", &["--only", APART], false));
        let mut counts = tests.run("test", &["--except", APART], true)?;
        counts += joined(apart)?;
        Ok(counts)
    })
}

/// What runs tests, and what they are told.
pub(crate) struct TestsInside<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) project: &'a Path,
    /// The program of that name, for this engine's system.
    pub(crate) netsim: &'a Path,
    pub(crate) soak: bool,
}

impl TestsInside<'_> {
    /// Runs those that `args` ask for, in an engine whose own files are called `name`.
    pub(crate) fn run(&self, name: &str, args: &[&str], live: bool) -> Result<Counts> {
        let Self { engine, project, netsim, soak } = self;
        for (program, package) in PEERS {
            packages::install_program(program, package)?;
        }
        let mut command = engine.headless(name)?;
        // A folder for this run alone: another one at the same time makes its own.
        let pki = tempfile::tempdir()?;
        test_pki::write_all(pki.path()).context("the tests' certificates cannot be written")?;
        let mut encrypt = Command::new("openssl");
        encrypt.current_dir(pki.path()).args(["pkey", "-in", "server.key", "-aes256"]);
        encrypt.args(["-passout", "pass:correct horse", "-out", "encrypted.key"]);
        succeed_quietly(&mut encrypt, "")?;
        command.args(["--path", &engine.path(project), "--", "--test"]).args(args);
        command.env("DTLS_TEST_PKI", engine.path(pki.path()));
        command.env("DTLS_TEST_NETSIM", engine.path(netsim));
        // Tests with two engines start the other one. By itself the engine does not know: it may run by
        // another program's help.
        command.env("DTLS_TEST_ENGINE", engine.program());
        command.envs(soak.then_some(SOAK));
        result_of(&mut command, live)
    }
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<Counts>>) -> Result<Counts> {
    thread.join().map_err(|_| anyhow!("a thread has panicked"))?
}

/// Runs an engine that runs tests. What it prints is shown line by line, or at its end.
fn result_of(command: &mut Command, live: bool) -> Result<Counts> {
    let finished = process::run_in_steps(command, live, Some(TEST_LIMIT), ends_test)?;
    if !live {
        println!("{}", finished.text());
    }
    let Some(status) = finished.status else {
        let last = finished.text().lines().rev().find(|line| ends_test(line)).unwrap_or("none");
        let seconds = TEST_LIMIT.as_secs();
        bail!("no test has ended for {seconds} s, so the engine was killed; the last one: {last}");
    };
    let counts = engine_result(finished.text())
        .with_context(|| format!("the engine ended with {status} and printed no result"))?;
    let agrees = status.success() == (counts.failed == 0);
    ensure!(agrees, "the engine reports {counts}, but ended with {status}");
    Ok(counts)
}

/// Whether a line of the runner's is the result of a test.
fn ends_test(line: &str) -> bool {
    ["ok ", "FAIL "].iter().any(|result| line.starts_with(result))
}

/// The last line like `engine: 41 passed, 0 failed`.
fn engine_result(output: &str) -> Option<Counts> {
    output.lines().rev().find_map(|line| {
        let (passed, rest) = line.trim().strip_prefix("engine: ")?.split_once(" passed, ")?;
        let failed = rest.strip_suffix(" failed")?;
        Some(Counts { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let output = "test result: ok. 2 passed; 0 failed; 1 ignored; finished in 0.00s\nmore\n\
            test result: FAILED. 3 passed; 4 failed; 0 ignored\nerror: could not compile";
        assert_eq!(test_results(output), Counts { passed: 5, failed: 4 });
        let output = "engine: 1 passed, 1 failed\nmore\nengine: 41 passed, 2 failed\n";
        assert_eq!(engine_result(output), Some(Counts { passed: 41, failed: 2 }));
        assert_eq!(engine_result("engine: many passed, 0 failed"), None);
    }

    #[test]
    fn results_of_single_tests_are_the_runner_s() {
        let runner = include_str!("../../../godot_project/tests/runner.gd");
        let printed = runner.lines().filter_map(|line| line.trim().strip_prefix("print(\""));
        let ends: Vec<&str> = printed.filter(|line| ends_test(line)).collect();
        assert_eq!(ends.len(), 2);
    }
}
