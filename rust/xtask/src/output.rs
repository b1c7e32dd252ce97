//! What a developer sees: progress, steps, counts.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressFinish};

/// Says what takes long: a spinner on a terminal, elsewhere a line. What is not said is quick.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    if bar.is_hidden() && !what.is_empty() {
        eprintln!("… {what}");
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar.with_finish(ProgressFinish::AndClear)
}

/// How many checks or tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Counts {
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0 };
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1 };

    pub(crate) fn check(passed: bool) -> Self {
        if passed { Self::PASS } else { Self::FAIL }
    }

    /// Whether nothing failed. What ran nothing did not do its work.
    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(u8::from(!self.is_good()))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// A run of several steps, each of which may fail without ending the run.
#[derive(Default)]
pub(crate) struct Steps {
    only: Option<String>,
    total: Counts,
    failed: Vec<&'static str>,
}

impl Steps {
    /// With `only`, the steps whose title contains it.
    pub(crate) fn only(only: Option<String>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Runs one step and says how it went. An error counts as one failure, and so does a step that ran
    /// nothing.
    pub(crate) fn step(&mut self, title: &'static str, run: impl FnOnce() -> Result<Counts>) {
        if self.only.as_ref().is_some_and(|only| !title.contains(only)) {
            return;
        }
        println!("\n== {title}");
        let started = Instant::now();
        let mut counts = run().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts::FAIL
        });
        if counts == Counts::default() {
            println!("   nothing ran");
            counts = Counts::FAIL;
        }
        let word = if counts.is_good() { "ok" } else { "FAILED" };
        println!("   {title}: {word}, {counts} ({:.1} s)", started.elapsed().as_secs_f32());
        self.total += counts;
        if !counts.is_good() {
            self.failed.push(title);
        }
    }

    /// Prints the last line, `N passed, N failed`, and returns the exit code that goes with it.
    pub(crate) fn finish(self) -> ExitCode {
        println!();
        if !self.failed.is_empty() {
            println!("Failed: {}.", self.failed.join(", "));
        }
        println!("{}", self.total);
        self.total.exit_code()
    }
}
