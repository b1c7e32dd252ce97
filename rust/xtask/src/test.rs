//! `cargo xtask test`: every check and every test, and last a line `N passed, N failed`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::output::{Counts, Steps};
use crate::process::{self, Run, describe, on_path};
use crate::{bench, cargo, debian, gdtoolkit, tidy, workspace};

/// How long each of the tests inside the engine may take, before the first the start of the engine. It
/// is for an engine that hangs as a whole: one test is given up by `runner.gd` after a minute, or the
/// engine is ended by `watchdog.gd`. For all tests together there is no limit that a busy machine could
/// meet.
const TEST_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Programs that the tests in the engine run, and Debian's packages with them.
const PEERS: [(&str, &str); 4] = [
    ("openssl", "openssl"),
    ("gnutls-cli", "gnutls-bin"),
    ("gnutls-serv", "gnutls-bin"),
    ("strace", "strace"),
];

/// Everything. With `soak`, the tests over bad links run with as many seeds as they ever do.
pub(crate) fn run_all(soak: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("format", || check(cargo::command().args(["fmt", "--all", "--check"])));
    steps.step("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets"];
        check(cargo::with_openssl()?.args(args).args(["--", "-D", "warnings"]))
    });
    steps.step("tidy", tidy::check);
    steps.step("gdscript", gdtoolkit::check);
    steps.step("rust tests", || rust_tests(&["--all-targets"], soak));
    steps.step("doc tests", || rust_tests(&["--doc"], false));
    // What comes now needs the addon.
    let mut built = false;
    steps.step("build", || {
        build_and_stage(&build::Options::default())?;
        built = true;
        Ok(Counts::PASS)
    });
    if built {
        steps.step("engine tests", || {
            engine_tests_with(&Engine::find()?, &workspace::godot_project(), None, soak)
        });
        steps.step("bench", || bench::smoke(&Engine::find()?));
    }
    Ok(steps.finish())
}

/// The tests inside the engine alone, or those of them whose names contain `filter`.
pub(crate) fn run_engine(filter: Option<&str>, release: bool, soak: bool) -> Result<ExitCode> {
    build_and_stage(&build::Options { release, ..build::Options::default() })?;
    let mut steps = Steps::default();
    steps.step("engine tests", || {
        engine_tests_with(&Engine::find()?, &workspace::godot_project(), filter, soak)
    });
    Ok(steps.finish())
}

/// A command that passes or fails as a whole. Its output is shown if it fails.
fn check(command: &mut Command) -> Result<Counts> {
    let finished = process::run_quietly(command, "Checking")?;
    if !finished.success() {
        println!("{}", finished.text().trim_end());
    }
    Ok(Counts::check(finished.success()))
}

fn rust_tests(which: &[&str], soak: bool) -> Result<Counts> {
    let mut command = cargo::with_openssl()?;
    command.args(["test", "--workspace", "--no-fail-fast"]).args(which);
    if soak {
        command.env("DTLS_SOAK", "1");
    }
    let finished = process::run_quietly(&mut command, "Testing")?;
    let mut counts = test_results(&finished.stdout());
    // It did not compile, or a test ended its whole process: cargo knows, the counts do not.
    if !finished.success() && counts.failed == 0 {
        counts += Counts::FAIL;
    }
    if counts.failed > 0 {
        println!("{}", finished.text().trim_end());
    }
    Ok(counts)
}

/// The sum over lines like `test result: ok. 4 passed; 0 failed; 0 ignored; …`
fn test_results(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let Some((_, result)) = line.split_once("test result: ") else {
            continue;
        };
        let parts = result.split([';', '.']).map(str::trim);
        for part in parts {
            match part.split_once(' ') {
                Some((number, "passed")) => counts.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => counts.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    counts
}

/// The tests inside the engine with what is staged, or those of them whose names contain `filter`.
pub(crate) fn engine_tests(filter: Option<&str>) -> Result<Counts> {
    engine_tests_in(&Engine::find()?, &workspace::godot_project(), filter)
}

/// The tests in a project, run by an engine.
pub(crate) fn engine_tests_in(
    engine: &Engine,
    project: &Path,
    filter: Option<&str>,
) -> Result<Counts> {
    engine_tests_with(engine, project, filter, false)
}

fn engine_tests_with(
    engine: &Engine,
    project: &Path,
    filter: Option<&str>,
    soak: bool,
) -> Result<Counts> {
    install_peers()?;
    // A folder for this run alone: another one at the same time makes its own.
    let all = workspace::target_dir()?.join("test-pki");
    std::fs::create_dir_all(&all).with_context(|| format!("cannot create {}", all.display()))?;
    let pki = tempfile::Builder::new().prefix("run-").tempdir_in(&all)?;
    test_pki::write_all(pki.path()).context("the certificates for the tests cannot be written")?;

    let mut command = test_command(engine, project, pki.path(), &build::netsim()?)?;
    command.args(filter);
    if soak {
        command.env("DTLS_SOAK", "1");
    }
    let how = Run { label: None, live: true, limit: Some(TEST_LIMIT) };
    let finished = process::run_in_steps(&mut command, how, ends_test)?;
    let Some(status) = finished.status else {
        let last = finished.stdout().lines().rev().find(|line| ends_test(line)).map(str::to_owned);
        bail!(
            "no test has ended for {} s, so the engine was ended; the last one was: {}",
            TEST_LIMIT.as_secs(),
            last.as_deref().unwrap_or("none")
        );
    };
    let Some(counts) = engine_result(&finished.stdout()) else {
        bail!("the engine {} and printed no result", describe(status));
    };
    if status.success() != (counts.failed == 0) {
        bail!("the engine reports {counts}, but {}", describe(status));
    }
    Ok(counts)
}

fn test_command(engine: &Engine, project: &Path, pki: &Path, netsim: &Path) -> Result<Command> {
    let mut command = engine.headless("test")?;
    command
        .arg("--path")
        .arg(project)
        .args(["--", "--test"])
        .env("DTLS_TEST_PKI", pki)
        .env("DTLS_TEST_NETSIM", netsim)
        // Tests with two engines start the other one. By itself the engine does not know: it may run
        // by another program's help.
        .env("DTLS_TEST_ENGINE", engine.program());
    Ok(command)
}

/// Whether a line of the runner's is the result of a test.
fn ends_test(line: &str) -> bool {
    ["ok ", "FAIL "].iter().any(|result| line.starts_with(result))
}

/// The last line like `engine: 41 passed, 0 failed`.
fn engine_result(output: &str) -> Option<Counts> {
    output.lines().rev().find_map(|line| {
        let rest = line.trim().strip_prefix("engine: ")?;
        let (passed, rest) = rest.split_once(" passed, ")?;
        let failed = rest.strip_suffix(" failed")?;
        Some(Counts { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    })
}

fn install_peers() -> Result<()> {
    let mut packages: Vec<&str> = PEERS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if !packages.is_empty() {
        debian::install(&packages)
            .context("the interoperability tests run other implementations of DTLS")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_added_up() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let expected = Counts { passed: 5, failed: 4 };
        assert_eq!(test_results(output), expected);
        assert_eq!(test_results("error: could not compile"), Counts::default());
    }

    #[test]
    fn results_of_single_tests_are_the_runner_s() {
        let runner = include_str!("../../../godot_project/tests/runner.gd");
        let printed: Vec<&str> = runner
            .lines()
            .filter_map(|line| line.trim().strip_prefix("print(\"")?.split('"').next())
            .collect();
        let (ends, others): (Vec<&str>, Vec<&str>) =
            printed.iter().partition(|line| ends_test(line));
        assert_eq!(ends, ["ok    %s (%s)", "FAIL  %s (%s)"]);
        assert!(!others.is_empty());
        assert!(!ends_test("ERROR: okay"));
    }

    #[test]
    fn the_engine_s_last_result_counts() {
        let output = "engine: 1 passed, 1 failed\nmore\nengine: 41 passed, 2 failed\n";
        let expected = Counts { passed: 41, failed: 2 };
        assert_eq!(engine_result(output), Some(expected));
        assert_eq!(engine_result("engine: many passed, 0 failed"), None);
        assert_eq!(engine_result(""), None);
    }
}
