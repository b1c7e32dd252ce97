//! `cargo xtask soak`: 500 clients connect, talk, vanish and come back, round after round.
//!
//! Server and clients have an engine each, so that the memory of one is not that of the other. Both
//! print lines of JSON (see `godot_project/soak/`), which are collected here and judged at the end.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::build::{self, build_and_stage};
use crate::demo::{Process, Side};
use crate::engine::Engine;
use crate::output::Progress;
use crate::process::{Line, Running, Stream};
use crate::workspace;

/// Seconds that a round takes, pause included; `godot_project/soak/visitor.gd` has the parts.
const ROUND: u32 = 12;

/// How long all of it may take beyond its rounds, on a machine that has more to do.
const ALLOWANCE: Duration = Duration::from_secs(120);

/// How much the resident memory of an engine may grow from the end of the first round to the end of
/// the last, in KiB. The server's stays within 1 MiB. The clients' goes up and down by 15 MiB, as
/// now more and now less of what they free can go back to the system. A session that were kept for
/// each connection would be 60 KiB, a thousand times a round.
const fn growth(side: Side) -> u64 {
    match side {
        Side::Server => 2 * 1024,
        Side::Client => 24 * 1024,
    }
}

/// What the server holds for a peer while it is there, in KiB: 193 are the engine's buffers for its
/// socket, the rest is mostly the session. The heap is as large as the fullest round has made it,
/// and on a busy machine fewer clients may have met in the first.
const FOR_EACH_PEER: u64 = 256;

/// glibc fills what it hands out with this byte. Without, a page that nobody has written to is not
/// resident: the engine has 193 KiB of buffers for each socket and writes to a part of them, to
/// another part each time, so that resident memory creeps up to what is allocated for many rounds.
const FILL: &str = "165";

/// The columns of the table: whose figure it is, its title, and what its report calls it.
const COLUMNS: [(Side, &str, &str); 9] = [
    (Side::Client, "connected", "connected"),
    (Side::Client, "broken off", "broken_off"),
    (Side::Client, "echoes", "echoes"),
    (Side::Client, "repeated", "repeated"),
    (Side::Server, "restarted", "restarted"),
    (Side::Server, "dropped", "dropped"),
    (Side::Server, "most peers", "most_peers"),
    (Side::Server, "server KiB", "end_kib"),
    (Side::Client, "clients KiB", "end_kib"),
];

/// How many complaints are shown: what comes later mostly follows from the first.
const MOST_SHOWN: usize = 10;

/// How long, and with which build.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long, in rounds of 12 seconds; two of them at least
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(24..=3600))]
    seconds: u32,
    /// Build without optimisation
    #[arg(long)]
    debug: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    build_and_stage(&build::Options { release: !options.debug, ..build::Options::default() })?;
    let rounds = options.seconds / ROUND;
    let record = soak(&Engine::find()?, rounds)?;
    print!("{}", record.table());
    let complaints = record.verdict(rounds);
    if complaints.is_empty() {
        println!("Every handshake was completed, every echo was right, and nothing was left.");
        return Ok(ExitCode::SUCCESS);
    }
    for complaint in complaints.iter().take(MOST_SHOWN) {
        println!("error: {complaint}");
    }
    if complaints.len() > MOST_SHOWN {
        println!("And {} more.", complaints.len() - MOST_SHOWN);
    }
    Ok(ExitCode::FAILURE)
}

/// Runs both engines until they end by themselves, or cannot any more.
fn soak(engine: &Engine, rounds: u32) -> Result<Record> {
    let pki = tempfile::tempdir().context("there is no temporary folder")?;
    test_pki::write_all(pki.path()).context("the certificates cannot be written")?;
    let (sender, receiver) = channel();
    let start = |side: Side, script: &str, arguments: &[String]| -> Result<Process> {
        let mut command = engine.headless(&format!("soak-{side}"))?;
        command
            .arg("--path")
            .arg(workspace::godot_project())
            .args(["--script", script, "--"])
            .args(arguments)
            .env("DTLS_TEST_PKI", pki.path())
            .env("MALLOC_PERTURB_", FILL);
        Ok(Process { side, running: Running::start(&mut command, side, &sender)?, ended: None })
    };

    let mut progress = Progress::start("Soaking");
    let deadline = Instant::now() + Duration::from_secs((rounds * ROUND).into()) + ALLOWANCE;
    let mut record = Record::default();
    let mut server = start(Side::Server, "res://soak/server.gd", &[rounds.to_string()])?;
    let port = loop {
        server.look()?;
        record.listen(&receiver);
        if let Some(port) = record.port {
            break port;
        }
        if server.ended.is_some() || Instant::now() >= deadline {
            bail!("the server printed no port. {} {}", server.state(), record.complaints.join(" "));
        }
    };
    let arguments = [rounds.to_string(), port.to_string()];
    let mut clients = start(Side::Client, "res://soak/clients.gd", &arguments)?;
    drop(sender);
    while server.ended.is_none() || clients.ended.is_none() {
        let failed = |process: &Process| process.ended.is_some_and(|status| !status.success());
        if failed(&server) || failed(&clients) || Instant::now() >= deadline {
            break;
        }
        record.listen(&receiver);
        progress.detail(&record.state(rounds));
        server.look()?;
        clients.look()?;
    }
    for process in [&mut server, &mut clients] {
        if !process.ended.is_some_and(|status| status.success()) {
            record.complaints.push(process.state());
        }
        process.running.kill();
    }
    // What they printed last may still be on its way.
    while record.listen(&receiver) {}
    Ok(record)
}

/// What has been printed.
#[derive(Debug, Default)]
struct Record {
    port: Option<u64>,
    /// The peers that the server had when it last said so.
    peers: u64,
    /// A report for each round.
    server: Vec<Value>,
    clients: Vec<Value>,
    complaints: Vec<String>,
}

impl Record {
    /// Waits a moment for a line; whether there was one.
    fn listen(&mut self, lines: &Receiver<Line<Side>>) -> bool {
        let line = lines.recv_timeout(Duration::from_millis(50));
        let came = line.is_ok();
        if let Ok(line) = line {
            self.note(&line);
        }
        came
    }

    fn note(&mut self, line: &Line<Side>) {
        if line.stream == Stream::Err {
            // What is indented belongs to the line before it.
            if !line.text.starts_with(' ') {
                self.complaints.push(format!("the {} printed: {}", line.from, line.text));
            }
            return;
        }
        // The engine's greeting is no JSON.
        let Ok(report) = serde_json::from_str::<Value>(&line.text) else {
            return;
        };
        if let Some(failure) = report["failure"].as_str() {
            self.complaints.push(format!("the {}: {failure}", line.from));
        } else if let Some(port) = report["port"].as_u64() {
            self.port = Some(port);
        } else if let Some(peers) = report["peers"].as_u64() {
            self.peers = peers;
        } else if report["objects"].is_u64() {
            match line.from {
                Side::Server => self.server.push(report),
                Side::Client => self.clients.push(report),
            }
        }
    }

    fn reports(&self, side: Side) -> &[Value] {
        match side {
            Side::Server => &self.server,
            Side::Client => &self.clients,
        }
    }

    fn state(&self, rounds: u32) -> String {
        format!("round {} of {rounds}, {} peers", self.server.len() + 1, self.peers)
    }

    /// What is wrong, in sentences.
    fn verdict(&self, rounds: u32) -> Vec<String> {
        let mut complaints = self.complaints.clone();
        for side in [Side::Server, Side::Client] {
            let reports = self.reports(side);
            if reports.len() != rounds as usize {
                complaints.push(format!(
                    "the {side} came to the end of {} rounds of {rounds}; the server last had {} \
                     peers",
                    reports.len(),
                    self.peers
                ));
            }
            let (Some(first), Some(last)) = (reports.first(), reports.last()) else {
                continue;
            };
            let (before, after) = (number(first, "end_kib"), number(last, "end_kib"));
            let fullest = reports.iter().map(|report| number(report, "most_peers")).max();
            let more = fullest.unwrap_or(0) - number(first, "most_peers");
            let growth = growth(side) + more * FOR_EACH_PEER;
            if before == 0 || after > before + growth {
                complaints.push(format!(
                    "the resident memory of the {side} was {before} KiB after the first round and \
                     {after} KiB after the last; {growth} KiB more are allowed"
                ));
            }
            let (before, after) = (number(first, "objects"), number(last, "objects"));
            if after > before {
                complaints.push(format!(
                    "the {side} had {before} objects after the first round and {after} after the \
                     last"
                ));
            }
        }
        complaints
    }

    fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |cells: &[String]| {
            for cell in cells {
                let _infallible = write!(table, "{cell:>12}");
            }
            table.push('\n');
        };
        let mut head = vec!["round".to_owned()];
        head.extend(COLUMNS.iter().map(|(_, title, _)| (*title).to_owned()));
        line(&head);
        for round in 0..self.server.len().max(self.clients.len()) {
            let mut cells = vec![(round + 1).to_string()];
            for (side, _, field) in COLUMNS {
                let report = self.reports(side).get(round);
                cells.push(report.map_or("-".to_owned(), |report| report[field].to_string()));
            }
            line(&cells);
        }
        table
    }
}

fn number(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(server: &[(u64, u64)], clients: &[(u64, u64)]) -> Record {
        let mut record = Record::default();
        for (side, reports) in [(Side::Server, server), (Side::Client, clients)] {
            for (kib, objects) in reports {
                let text = format!(r#"{{"end_kib":{kib},"objects":{objects}}}"#);
                record.note(&Line { from: side, stream: Stream::Out, text });
            }
        }
        record
    }

    #[test]
    fn level_memory_is_well() {
        let level = [(1000, 7), (1000 + growth(Side::Server), 7)];
        assert_eq!(record(&level, &level).verdict(2), [""; 0]);
    }

    #[test]
    fn what_grows_is_named() {
        let level = [(1000, 7), (1000, 7)];
        let fatter = [(1000, 7), (1001 + growth(Side::Server), 7)];
        let complaints = record(&fatter, &level).verdict(2).join("\n");
        assert!(complaints.contains("memory of the server"), "{complaints}");
        let more = [(1000, 7), (1000, 8)];
        let complaints = record(&level, &more).verdict(2).join("\n");
        assert!(complaints.contains("the client had 7 objects"), "{complaints}");
        let mut fuller = record(&fatter, &level);
        fuller.server[0]["most_peers"] = 499.into();
        fuller.server[1]["most_peers"] = 500.into();
        assert_eq!(fuller.verdict(2), [""; 0]);
        let unread = [(0, 7), (0, 7)];
        assert_eq!(record(&unread, &level).verdict(2).len(), 1);
    }

    #[test]
    fn a_round_that_does_not_end_and_what_was_printed_are_named() {
        let level = [(1000, 7), (1000, 7)];
        let mut record = record(&level[..1], &level);
        for (stream, text) in [
            (Stream::Out, r#"{"peers":3,"rss_kib":1000}"#),
            (Stream::Out, r#"{"failure":"client 4 lost its connection"}"#),
            (Stream::Out, "Godot Engine"),
            (Stream::Err, "ERROR: something"),
        ] {
            record.note(&Line { from: Side::Server, stream, text: text.to_owned() });
        }
        let complaints = record.verdict(2);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(complaints[0].contains("client 4"), "{complaints:?}");
        assert!(complaints[1].contains("ERROR: something"), "{complaints:?}");
        assert!(complaints[2].contains("3 peers"), "{complaints:?}");
    }
}
