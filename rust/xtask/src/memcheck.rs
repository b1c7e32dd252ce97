//! The tests of dtls-core, and what the fuzzers have found worth keeping, under valgrind's memcheck: no
//! error and no memory that is lost for good, without a suppression.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde_json::Value;

use crate::output::Counts;
use crate::process::{self, on_path};
use crate::{cargo, debian, workspace};

/// A test program on each core, since valgrind runs one thread of a program at a time. Each counts as one.
pub(crate) fn run() -> Result<Counts> {
    if !on_path("valgrind") {
        debian::install(&["valgrind"]).context("memcheck is a part of valgrind")?;
    }
    let programs = test_programs()?;
    let results = programs.par_iter().with_max_len(1).map(|program| check(program));
    let mut counts = Counts::default();
    for passed in results.collect::<Result<Vec<bool>>>()? {
        counts += Counts::check(passed);
    }
    Ok(counts)
}

fn check(program: &str) -> Result<bool> {
    let mut command = Command::new("valgrind");
    command
        .args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .arg(program)
        // What a test does over and over again is the same code each time.
        .env("DTLS_SEED", "1")
        .current_dir(workspace::root());
    cargo::without_run_variables(&mut command);
    let name = program.rsplit('/').next().unwrap_or(program);
    let finished = process::run_quietly(&mut command, &format!("Checking {name}"))?;
    if !finished.success() {
        println!("{}", finished.text().trim_end());
    }
    Ok(finished.success())
}

/// Builds the tests; returns the programs.
fn test_programs() -> Result<Vec<String>> {
    let mut command = cargo::with_openssl()?;
    command.args(["test", "--package", "dtls-core", "--package", "fuzz"]);
    command.args(["--no-run", "--message-format=json"]);
    let finished = process::succeed_quietly(&mut command, "Building the tests")?;
    let messages = finished.stdout();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tests = messages.filter(|message| message["profile"]["test"] == true);
    let programs: Vec<String> =
        tests.filter_map(|message| message["executable"].as_str().map(str::to_owned)).collect();
    ensure!(!programs.is_empty(), "cargo names no test program");
    Ok(programs)
}
