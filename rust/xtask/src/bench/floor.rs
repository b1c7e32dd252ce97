//! What is measured without the engine: the criterion benches of `dtls-core`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::succeed_quietly;
use crate::{cargo, workspace};

use super::figures::{Measured, Side};

/// Criterion's names, and the figures that they are.
const FIGURES: [(&str, &str); 6] = [
    ("handshake/p256", "handshake_p256"),
    ("handshake/rsa2048", "handshake_rsa2048"),
    ("packet/64", "one_way_64"),
    ("packet/400", "one_way_400"),
    ("packet/1200", "one_way_1200"),
    ("idle_poll", "idle_poll"),
];

/// The benches, built.
pub(super) struct Floor {
    program: PathBuf,
    /// Where criterion keeps what it has measured.
    home: PathBuf,
}

impl Floor {
    pub(super) fn build() -> Result<Self> {
        let mut command = cargo::with_openssl()?;
        command.args(["bench", "--package", "dtls-core", "--bench", "floor", "--no-run"]);
        command.arg("--message-format=json");
        let finished = succeed_quietly(&mut command, "Building the benches of dtls-core")?;
        let output = finished.stdout();
        let program = output.lines().filter_map(executable).next_back();
        let program = program.context("cargo names no program of the benches")?;
        Ok(Self { program, home: workspace::target_dir()?.join("bench/criterion") })
    }

    /// One round: all of them, for a moment each.
    pub(super) fn round(&self, label: &str) -> Result<Measured> {
        let mut command = Command::new(&self.program);
        cargo::without_run_variables(&mut command);
        command
            .args(["--bench", "--noplot", "--warm-up-time", "0.1", "--measurement-time", "0.3"])
            .args(["--sample-size", "20"])
            .current_dir(workspace::root())
            .env("CRITERION_HOME", &self.home);
        succeed_quietly(&mut command, label)?;
        let mut measured = Measured::default();
        for (name, figure) in FIGURES {
            measured.add(figure, Side::Floor, median_microseconds(&self.home.join(name))?);
        }
        Ok(measured)
    }
}

/// The program that one of cargo's messages is about.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

/// What criterion has found out last.
fn median_microseconds(dir: &Path) -> Result<f64> {
    let path = dir.join("new/estimates.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let estimates: Value = serde_json::from_slice(&text)?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64();
    let nanoseconds = nanoseconds.with_context(|| format!("{} has no median", path.display()))?;
    Ok(nanoseconds / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterion_s_median_is_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("new")).expect("it can be created");
        let estimates = r#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":2500.0}}"#;
        fs::write(dir.path().join("new/estimates.json"), estimates).expect("it can be written");
        assert_eq!(median_microseconds(dir.path()).expect("it is there"), 2.5);
        assert!(median_microseconds(&dir.path().join("other")).is_err());
    }

    #[test]
    fn cargo_names_the_program() {
        let message = r#"{"reason":"compiler-artifact","executable":"t/floor-1"}"#;
        assert_eq!(executable(message), Some("t/floor-1".into()));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable("a warning"), None);
    }
}
