//! `cargo xtask demo`: the documented server and client, each in an engine of its own.

use std::env;
use std::fmt;
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::process::{Line, Running, Stream, describe};
use crate::workspace;

/// How long the exchange may take, from the start of the engines.
const LIMIT: Duration = Duration::from_secs(30);

/// How long to listen on after the exchange for what either may still complain about.
const AFTERMATH: Duration = Duration::from_millis(500);

/// The lines that make the exchange complete, and who prints them.
const EXPECTED: [(Side, &str); 3] = [
    (Side::Server, "Peer connected!"),
    (Side::Server, "Received message from client: The answer is... 42!"),
    (Side::Client, "Connected: Hello DTLS client"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Builds, stages, and runs the demo. With `DTLS_DEMO_STRICT=1` in the environment, a line on the
/// error output is a failure.
pub(crate) fn run(release: bool) -> Result<ExitCode> {
    let options = build::Options { release, ..build::Options::default() };
    build_and_stage(&options)?;
    let strict = env::var_os("DTLS_DEMO_STRICT").is_some_and(|value| value == "1");
    exchange(&Engine::find()?, strict)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs what is staged. An error says what was missing from the exchange.
pub(crate) fn exchange(engine: &Engine, strict: bool) -> Result<()> {
    let (sender, receiver) = channel();
    let start = |side: Side| -> Result<Process> {
        let mut command = engine.headless(side.name())?;
        command.arg("--path").arg(workspace::godot_project());
        command.arg(format!("res://demo/{side}.tscn"));
        Ok(Process { side, running: Running::start(&mut command, side, &sender)?, ended: None })
    };
    let started = Instant::now();
    let mut processes = [start(Side::Server)?, start(Side::Client)?];
    drop(sender);

    let mut seen = Seen::default();
    let mut deadline = started + LIMIT;
    loop {
        let wait =
            Duration::from_millis(50).min(deadline.saturating_duration_since(Instant::now()));
        match receiver.recv_timeout(wait) {
            Ok(line) => {
                show(&line);
                let was_complete = seen.is_complete();
                seen.note(&line);
                if seen.is_complete() && !was_complete {
                    deadline = Instant::now() + AFTERMATH;
                }
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both have closed their outputs, so both are ending.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
        // Whoever had ended a turn ago has had the time for its last line to arrive.
        let hopeless = processes
            .iter()
            .any(|process| process.ended.is_some() && seen.is_missing_from(process.side));
        for process in &mut processes {
            process.look()?;
        }
        if hopeless || Instant::now() >= deadline {
            break;
        }
    }

    let states: Vec<String> = processes.iter().map(Process::state).collect();
    let early = processes.iter().any(|process| process.ended.is_some());
    drop(processes);
    if !seen.is_complete() {
        bail!(
            "after {:.1} s the exchange was not complete. Missing: {}. {}",
            started.elapsed().as_secs_f32(),
            seen.missing().join(", "),
            states.join(" ")
        );
    }
    if early {
        println!("{}", states.join(" "));
    }
    println!("The exchange is complete.");
    match seen.errors {
        0 => println!("Nothing was printed on the error output."),
        count if strict => bail!("{count} lines were printed on the error output (marked `!`)"),
        count => println!("{count} lines were printed on the error output (marked `!`)."),
    }
    Ok(())
}

/// One of the two engines.
pub(crate) struct Process {
    pub(crate) side: Side,
    pub(crate) running: Running,
    pub(crate) ended: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.ended.is_none() {
            self.ended = self.running.exited()?;
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> String {
        match self.ended {
            Some(status) => format!("The {} {}.", self.side, describe(status)),
            None => format!("The {} was still running.", self.side),
        }
    }
}

fn show(line: &Line<Side>) {
    let mark = match line.stream {
        Stream::Out => '|',
        Stream::Err => '!',
    };
    println!("{} {mark} {}", line.from, line.text);
}

/// What has been printed so far.
#[derive(Debug, Default)]
struct Seen {
    expected: [bool; EXPECTED.len()],
    errors: usize,
}

impl Seen {
    fn note(&mut self, line: &Line<Side>) {
        match line.stream {
            Stream::Out => {
                for (seen, (side, text)) in self.expected.iter_mut().zip(EXPECTED) {
                    *seen |= side == line.from && line.text.contains(text);
                }
            }
            Stream::Err => self.errors += 1,
        }
    }

    fn is_complete(&self) -> bool {
        self.expected.iter().all(|seen| *seen)
    }

    fn missing(&self) -> Vec<String> {
        self.expected
            .iter()
            .zip(EXPECTED)
            .filter(|(seen, _)| !**seen)
            .map(|(_, (side, text))| format!("\"{text}\" from the {side}"))
            .collect()
    }

    fn is_missing_from(&self, side: Side) -> bool {
        self.expected.iter().zip(EXPECTED).any(|(seen, (from, _))| !*seen && from == side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: Side, stream: Stream, text: &str) -> Line<Side> {
        Line { from, stream, text: text.to_owned() }
    }

    #[test]
    fn complete_once_every_line_has_come_from_its_side() {
        let mut seen = Seen::default();
        for (side, text) in EXPECTED {
            assert!(!seen.is_complete());
            assert!(seen.is_missing_from(side));
            seen.note(&line(side, Stream::Out, text));
        }
        assert!(seen.is_complete());
        assert_eq!(seen.errors, 0);
    }

    #[test]
    fn the_other_side_or_the_error_output_does_not_count() {
        let mut seen = Seen::default();
        seen.note(&line(Side::Client, Stream::Out, "Peer connected!"));
        seen.note(&line(Side::Server, Stream::Err, "Peer connected!"));
        assert_eq!(seen.missing().len(), 3);
        assert_eq!(seen.errors, 1);
    }
}
