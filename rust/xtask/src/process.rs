//! Child processes whose output is read line by line, and which never outlive us.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::output::Progress;

/// Which of its two outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// One line of a child's output.
#[derive(Debug)]
pub(crate) struct Line<Id> {
    #[allow(dead_code, reason = "one command at a time is listened to")]
    pub(crate) from: Id,
    pub(crate) stream: Stream,
    pub(crate) text: String,
}

/// A running child. It is killed when this is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts the command. Its lines go to `lines`, marked with `from`.
    pub(crate) fn start<Id: Copy + Send + 'static>(
        command: &mut Command,
        from: Id,
        lines: &Sender<Line<Id>>,
    ) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", Shown(command)))?;
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, from, Stream::Out, lines.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, from, Stream::Err, lines.clone());
        }
        Ok(Self(child))
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("cannot ask for a child's state")
    }

    /// Ends it if it still runs.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn forward<Id: Copy + Send + 'static>(
    from_child: impl Read + Send + 'static,
    from: Id,
    stream: Stream,
    lines: Sender<Line<Id>>,
) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from_child);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if lines.send(Line { from, stream, text }).is_err() {
                return;
            }
        }
    });
}

/// What a finished child has printed, both streams in the order in which they came.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None`: it ran into the time limit and was ended.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) lines: Vec<Line<()>>,
}

impl Finished {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// All of the output as one text.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    /// What it wrote to its standard output.
    pub(crate) fn stdout(&self) -> String {
        self.lines
            .iter()
            .filter(|line| line.stream == Stream::Out)
            .map(|line| line.text.clone() + "\n")
            .collect()
    }
}

/// How to run a command to its end.
pub(crate) struct Run<'a> {
    /// Shown while it runs.
    pub(crate) label: Option<&'a str>,
    /// Print its lines as they come.
    pub(crate) live: bool,
    /// How long all of it may take, or each step of it: see [`run_in_steps`].
    pub(crate) limit: Option<Duration>,
}

/// Runs a command to its end without showing its output.
pub(crate) fn run_quietly(command: &mut Command, label: &str) -> Result<Finished> {
    run(command, Run { label: Some(label), live: false, limit: None })
}

/// As [`run_quietly`]; when the command fails, its output is the error.
pub(crate) fn succeed_quietly(command: &mut Command, label: &str) -> Result<Finished> {
    let finished = run_quietly(command, label)?;
    if !finished.success() {
        bail!("{} failed:\n{}", Shown(command), finished.text().trim_end());
    }
    Ok(finished)
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, how: Run<'_>) -> Result<Finished> {
    run_in_steps(command, how, |_| false)
}

/// Runs a command to its end. The limit begins anew with each line of its standard output that ends a
/// step, so what goes on at all is never too slow.
pub(crate) fn run_in_steps(
    command: &mut Command,
    how: Run<'_>,
    ends_step: impl Fn(&str) -> bool,
) -> Result<Finished> {
    let mut progress = how.label.map(Progress::start);
    let mut step_began = Instant::now();
    let (sender, receiver) = channel();
    let mut child = Running::start(command, (), &sender)?;
    drop(sender);

    let mut lines: Vec<Line<()>> = Vec::new();
    let mut keep = |line: Line<()>| {
        if how.live {
            println!("{}", line.text);
        }
        lines.push(line);
        lines.last().map_or("", |line| &line.text).to_owned()
    };
    let mut last = String::new();
    let status = loop {
        if let Some(line) = next(&receiver, Duration::from_millis(100)) {
            if line.stream == Stream::Out && ends_step(&line.text) {
                step_began = Instant::now();
            }
            last = keep(line);
        }
        if let Some(progress) = &mut progress {
            progress.detail(&last);
        }
        if let Some(status) = child.exited()? {
            break Some(status);
        }
        if how.limit.is_some_and(|limit| step_began.elapsed() >= limit) {
            child.kill();
            break None;
        }
    };
    // What is still on its way. A grandchild that lives on may hold the pipes open, hence the
    // limit.
    let rest = Instant::now() + Duration::from_secs(2);
    while let Ok(line) = receiver.recv_timeout(rest.saturating_duration_since(Instant::now())) {
        keep(line);
    }
    Ok(Finished { status, lines })
}

/// The next line, or `None` when there was none for that long.
fn next(receiver: &Receiver<Line<()>>, wait: Duration) -> Option<Line<()>> {
    match receiver.recv_timeout(wait) {
        Ok(line) => Some(line),
        Err(RecvTimeoutError::Timeout) => None,
        // Both pipes are closed; the child is about to end. Do not spin.
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(Duration::from_millis(10));
            None
        }
    }
}

/// Whether a program of this name is on PATH.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths).any(|dir| {
            let path = dir.join(program);
            std::fs::metadata(path).is_ok_and(|data| data.is_file() && is_executable(&data))
        })
    })
}

#[cfg(unix)]
fn is_executable(data: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    data.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

/// A command as one would type it.
pub(crate) struct Shown<'a>(pub(crate) &'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", quoted(self.0.get_program()))?;
        for arg in self.0.get_args() {
            write!(f, " {}", quoted(arg))?;
        }
        f.write_str("`")
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains([' ', '\'', '"', '$', ';', '|', '&']) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.into_owned()
    }
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    if status.success() {
        return "ended by itself".to_owned();
    }
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended by a signal ({status})"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_read_and_told_apart() {
        let finished = run_quietly(&mut shell("echo out; echo err >&2; exit 3"), "test")
            .expect("there is a shell");
        assert!(!finished.success());
        assert_eq!(finished.stdout(), "out\n");
        assert_eq!(finished.lines.len(), 2);
    }

    #[test]
    fn a_child_that_hangs_is_ended() {
        let how = Run { label: None, live: false, limit: Some(Duration::from_millis(50)) };
        let started = Instant::now();
        let finished = run(Command::new("sleep").arg("30"), how).expect("there is `sleep`");
        assert!(finished.status.is_none());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_child_that_goes_on_may_take_longer_than_a_step() {
        let limit = Duration::from_millis(1500);
        let how = Run { label: None, live: false, limit: Some(limit) };
        let script = "for i in 1 2 3 4 5 6 7 8; do sleep 0.3; echo ok; done";
        let started = Instant::now();
        let finished =
            run_in_steps(&mut shell(script), how, |line| line == "ok").expect("there is a shell");
        assert!(finished.success());
        assert!(started.elapsed() > limit);
    }

    #[test]
    fn a_child_that_only_talks_is_ended() {
        let how = Run { label: None, live: false, limit: Some(Duration::from_millis(300)) };
        let script = "for i in $(seq 300); do sleep 0.1; echo busy; echo ok >&2; done";
        let started = Instant::now();
        let finished =
            run_in_steps(&mut shell(script), how, |line| line == "ok").expect("there is a shell");
        assert!(finished.status.is_none());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_failure_shows_the_output() {
        let error = succeed_quietly(&mut shell("echo because; exit 1"), "test")
            .expect_err("it exits with 1");
        assert!(error.to_string().contains("because"), "{error}");
    }
}
