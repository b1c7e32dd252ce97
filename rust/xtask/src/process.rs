//! Running other programs. What those with a limit print goes through a file, so that a program which they have
//! left behind cannot hold us up, and they are killed when we do not wait for them any more.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use crate::output::spinner;

pub(crate) const TICK: Duration = Duration::from_millis(50);

/// A program that runs. It is killed when this is dropped.
pub(crate) struct Running(Child, NamedTempFile);

impl Running {
    /// Starts it; what it writes to its error output goes to `errors`, if that is given.
    pub(crate) fn start(command: &mut Command, errors: Option<File>) -> Result<Self> {
        let file = NamedTempFile::new()?;
        // Two writers, neither of which overwrites the other.
        let append = || File::options().append(true).open(file.path());
        command.stdin(Stdio::null()).stdout(append()?).stderr(errors.map_or_else(append, Ok)?);
        let child = command.spawn().with_context(|| format!("cannot run `{}`", shown(command)))?;
        Ok(Self(child, file))
    }

    pub(crate) fn printed(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.1.path())?).into_owned())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None`: it took too long and was killed.
    pub(crate) status: Option<ExitStatus>,
    printed: String,
}

impl Finished {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// What it has printed.
    pub(crate) fn text(&self) -> &str {
        self.printed.trim_end()
    }
}

/// Runs a command to its end, or until it has taken too long, without showing its output.
pub(crate) fn run(command: &mut Command, label: &str, limit: Option<Duration>) -> Result<Finished> {
    let _spinner = spinner(label);
    run_in_steps(command, false, limit, |_| false)
}

/// Runs a command to its end; `live` shows its lines as they come. The limit begins anew with each line that ends
/// a step, so what goes on at all is never too slow.
pub(crate) fn run_in_steps(
    command: &mut Command,
    live: bool,
    limit: Option<Duration>,
    ends_step: impl Fn(&str) -> bool,
) -> Result<Finished> {
    let mut running = Running::start(command, None)?;
    let mut step_began = Instant::now();
    let mut seen = 0;
    loop {
        let status = running.ended()?;
        let printed = running.printed()?;
        while let Some((line, _)) = printed[seen..].split_once('\n') {
            if live {
                println!("{line}");
            }
            if ends_step(line) {
                step_began = Instant::now();
            }
            seen += line.len() + 1;
        }
        if status.is_some() || limit.is_some_and(|limit| step_began.elapsed() >= limit) {
            return Ok(Finished { status, printed });
        }
        thread::sleep(TICK);
    }
}

/// Runs a command to its end without showing its output, and keeps what it wrote to its standard output. When
/// the command fails, all of its output is the error.
pub(crate) fn succeed_quietly(command: &mut Command, label: &str) -> Result<Finished> {
    let _spinner = spinner(label);
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{}`", shown(command)))?;
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    if !output.status.success() {
        bail!("`{}` {}:\n{}", shown(command), output.status, format!("{out}{err}").trim_end());
    }
    Ok(Finished { status: Some(output.status), printed: out.into_owned() })
}

/// A call of a program by what runs it, if it does not run by itself.
pub(crate) fn by(runner: &[OsString], program: &Path) -> Command {
    let mut words = runner.iter().map(OsString::as_os_str).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.collect::<Vec<_>>().join(" ".as_ref()).display().to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Runs a shell with a limit in milliseconds for each line `ok`.
    fn run_shell(script: &str, limit: u64) -> Finished {
        let mut shell = Command::new("sh");
        let limit = Some(Duration::from_millis(limit));
        let finished = run_in_steps(shell.args(["-c", script]), false, limit, |line| line == "ok");
        finished.expect("there is a shell")
    }

    #[test]
    fn what_goes_on_may_take_longer_than_a_step() {
        let script = "for i in 1 2 3 4 5 6 7 8; do sleep 0.3; echo ok; done; printf last >&2";
        assert_eq!(run_shell(script, 1500).text(), "ok\n".repeat(8) + "last");
    }

    #[test]
    fn what_hangs_or_only_talks_is_killed() {
        assert!(run_shell("while :; do echo busy; sleep 0.1; done", 300).status.is_none());
        // What it has started lives on for a while, and does not hold us up.
        let started = Instant::now();
        assert!(run_shell("sleep 30 & sleep 30", 50).status.is_none());
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
