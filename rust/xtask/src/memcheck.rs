//! The tests of dtls-core, and what the fuzzers have found worth keeping, under valgrind's memcheck: no
//! error and no memory that is lost for good, without a suppression.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::output::Counts;
use crate::process::{self, on_path};
use crate::{cargo, debian, workspace};

/// One test program after the other; each counts as one.
pub(crate) fn run() -> Result<Counts> {
    if !on_path("valgrind") {
        debian::install(&["valgrind"]).context("memcheck is a part of valgrind")?;
    }
    let mut counts = Counts::default();
    for program in test_programs()? {
        let name = program.rsplit('/').next().unwrap_or(&program);
        let mut command = Command::new("valgrind");
        command
            .args(["-q", "--error-exitcode=9", "--leak-check=full"])
            .arg("--errors-for-leak-kinds=definite")
            .arg(&program)
            // The lossy link is the same code two hundred times over: once is enough here.
            .env("DTLS_SEED", "1")
            .current_dir(workspace::root());
        cargo::without_run_variables(&mut command);
        let finished = process::run_quietly(&mut command, &format!("Checking {name}"))?;
        if !finished.success() {
            println!("{}", finished.text().trim_end());
        }
        counts += Counts::check(finished.success());
    }
    Ok(counts)
}

/// Builds the tests; returns the programs.
fn test_programs() -> Result<Vec<String>> {
    let mut command = cargo::with_openssl()?;
    command.args(["test", "--package", "dtls-core", "--package", "fuzz"]);
    command.args(["--no-run", "--message-format=json"]);
    let finished = process::succeed_quietly(&mut command, "Building the tests")?;
    let programs: Vec<String> = finished.stdout().lines().filter_map(program).collect();
    if programs.is_empty() {
        bail!("cargo names no test program");
    }
    Ok(programs)
}

/// The program that one of cargo's messages is about, if it is about one with tests.
fn program(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_test = message["profile"]["test"] == true;
    message["executable"].as_str().filter(|_| is_test).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn programs_with_tests_are_found() {
        let message =
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"t/x"}"#;
        assert_eq!(program(message).as_deref(), Some("t/x"));
        let message = r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"x"}"#;
        assert_eq!(program(message), None);
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(program("warning: something"), None);
    }
}
