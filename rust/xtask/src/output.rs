//! What a developer sees: headlines, progress, counts.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::ops::AddAssign;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what takes long: a spinner on a terminal; elsewhere a plain line once it has
/// taken a moment, and another one every half minute.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: String,
    started: Instant,
    next_line: Duration,
}

const FIRST_LINE: Duration = Duration::from_secs(1);
const LINE_INTERVAL: Duration = Duration::from_secs(30);

impl Progress {
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = if stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed}) {prefix:.dim}");
            bar.set_style(style.expect("the template is a valid one"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, what, started: Instant::now(), next_line: FIRST_LINE }
    }

    /// Shows how far it is. Call it as often as convenient.
    pub(crate) fn detail(&mut self, detail: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_prefix(detail.trim().to_owned());
            return;
        }
        let elapsed = self.started.elapsed();
        if elapsed < self.next_line {
            return;
        }
        if self.next_line == FIRST_LINE {
            eprintln!("… {}", self.what);
        } else {
            eprintln!("… {}: {} s {}", self.what, elapsed.as_secs(), detail.trim());
        }
        self.next_line += LINE_INTERVAL;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
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

    fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
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

    /// Runs one step and says how it went. An error counts as one failure.
    pub(crate) fn step(&mut self, title: &'static str, run: impl FnOnce() -> Result<Counts>) {
        if self.only.as_ref().is_some_and(|only| !title.contains(only)) {
            return;
        }
        println!("\n== {title}");
        let started = Instant::now();
        let counts = run().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts::FAIL
        });
        let seconds = started.elapsed().as_secs_f32();
        let word = if counts.is_good() { "ok" } else { "FAILED" };
        if counts == Counts::PASS || counts == Counts::FAIL {
            println!("   {title}: {word} ({seconds:.1} s)");
        } else {
            println!("   {title}: {word}, {counts} ({seconds:.1} s)");
        }
        self.total += counts;
        if !counts.is_good() {
            self.failed.push(title);
        }
        // A step that ran nothing did not do its work.
        if counts == Counts::default() {
            println!("   nothing ran");
            self.total += Counts::FAIL;
        }
    }

    /// Prints the last line, `N passed, N failed`, and returns the exit code that goes with it.
    pub(crate) fn finish(self) -> ExitCode {
        println!();
        if !self.failed.is_empty() {
            println!("Failed: {}.", self.failed.join(", "));
        }
        println!("{}", self.total);
        if self.total.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_run_is_a_failure() {
        assert!(!Counts::default().is_good());
        let mut steps = Steps::default();
        steps.step("empty", || Ok(Counts::default()));
        assert_eq!(steps.total, Counts::FAIL);
        assert_eq!(steps.failed, ["empty"]);
    }

    #[test]
    fn an_error_counts_and_the_run_goes_on() {
        let mut steps = Steps::default();
        steps.step("broken", || anyhow::bail!("no such tool"));
        steps.step("fine", || Ok(Counts { passed: 3, failed: 0 }));
        assert_eq!(steps.total.to_string(), "3 passed, 1 failed");
    }
}
