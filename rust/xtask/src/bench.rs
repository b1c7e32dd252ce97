//! `cargo xtask bench`: the engine's DTLS, ours and plain UDP on the same work, in turn.
//!
//! A round is one run of the engine (`godot_project/bench/`) and one of the benches of `dtls-core`.
//! What is compared was measured in the same round, one right after the other, since a machine is
//! never the same for long; a figure is the median of its rounds, and a ratio that of the ratios.

mod figures;
mod plots;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::build::{build_and_stage, built};
use crate::engine::Engine;
use crate::output::Counts;
use crate::process::{self, succeed_quietly};
use crate::{cargo, packages, workspace};

use figures::{CORE, FIGURES, Measured, OURS, RAW, Samples, TARGETS, THEIRS};

/// Rounds without which the document is not changed.
const FEWEST_FOR_DOCUMENT: u32 = 7;

/// File descriptors that 1,000 pairs of each side take, and some to spare.
const DESCRIPTORS: u64 = 8192;

/// How long one run of the engine may take; the longest takes a minute.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// How much to measure.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Take about three minutes, and leave the document as it is
    #[arg(long)]
    quick: bool,
    /// How many rounds; 9 if nothing is said, 3 with --quick. The document is updated from 7 on
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 9 });
    build_and_stage(true)?;
    ensure!(
        rlimit::increase_nofile_limit(DESCRIPTORS)? >= DESCRIPTORS,
        "the bench needs {DESCRIPTORS} file descriptors; raise the limit with `ulimit -Hn`"
    );
    let updates_document = !options.quick && rounds >= FEWEST_FOR_DOCUMENT;
    if updates_document {
        packages::install_program("gnuplot", "gnuplot-nox")?;
    }
    let plan = if options.quick { "quick" } else { "full" };
    let harness = Harness { engine: &Engine::find()?, plan };
    let mut machine: Map<String, Value> =
        harness.run(json!({ "task": "machine" }), "Looking at the machine")?;
    machine.insert("our OpenSSL".to_owned(), openssl_src::openssl_version().into());
    machine.insert("rustc".to_owned(), cargo::rustc(&["--version"])?.into());
    let mut measured = Measured::default();
    for round in 0..rounds {
        harness.round(&mut measured, round, &format!("Round {} of {rounds}", round + 1))?;
    }
    let path = workspace::target_dir()?.join("bench").join(format!("{plan}.json"));
    let all = json!({ "machine": machine, "rounds": measured.0 });
    fs::write(&path, serde_json::to_string_pretty(&all)? + "\n")?;
    println!("{}\n\n{}\n", report::figures(&measured), report::targets(&measured));
    println!("Every number of every round is in {}.", path.display());
    if updates_document {
        report::update_document(&machine, &measured)?;
    }
    let mut verdicts = TARGETS.iter().map(|target| target.verdict(measured.ratio(target)));
    let is_pass = verdicts.all(|verdict| verdict.ends_with("reached"));
    Ok(if is_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For the tests: one small round with what is staged, after which everything that can be measured
/// without much time has been.
pub(crate) fn smoke(engine: &Engine) -> Result<Counts> {
    let harness = Harness { engine, plan: "smoke" };
    let mut measured = Measured::default();
    measured.add(harness.run(json!({ "task": "round", "swapped": true }), "Measuring")?)?;
    measured.add(harness.many(true, "Measuring many players")?)?;
    for side in [THEIRS, OURS, RAW] {
        measured
            .add(harness.run(json!({ "task": "memory", "side": side }), "Measuring memory")?)?;
    }
    let small = FIGURES.iter().filter(|figure| figure.is_small);
    let both = small.flat_map(|figure| [OURS, THEIRS].map(|side| (figure.id, side)));
    let both = both.chain([("one_way_1200", RAW)]);
    let missing = both.filter(|(figure, side)| measured.rounds(figure, side).is_empty());
    let missing: Vec<_> = missing.collect();
    // The engine's DTLS does not resume sessions.
    ensure!(missing == [("handshake_resumed", THEIRS)], "not measured: {missing:?}");
    Ok(Counts::PASS)
}

/// `godot_project/bench/`, with one of the plans of `bench.gd`.
struct Harness<'a> {
    engine: &'a Engine,
    plan: &'static str,
}

impl Harness<'_> {
    fn round(&self, measured: &mut Measured, round: u32, label: &str) -> Result<()> {
        let is_swapped = round % 2 == 1;
        measured.add(self.run(json!({ "task": "round", "swapped": is_swapped }), label)?)?;
        measured.add(core(&format!("{label}, the core alone"))?)?;
        measured.add(self.many(is_swapped, &format!("{label}, many players"))?)?;
        let mut sides = [THEIRS, OURS, RAW];
        if is_swapped {
            sides.reverse();
        }
        for side in sides {
            // Memory does not depend on what else the machine does; a few times is often enough.
            if round < 3 {
                let task = json!({ "task": "memory", "side": side });
                measured.add(self.run(task, &format!("{label}, memory"))?)?;
            }
            if side == RAW {
                continue;
            }
            let task = json!({ "task": "trust", "side": side });
            match self.run(task, &format!("{label}, the system's roots")) {
                Ok(trust) => measured.add(trust)?,
                // A machine need not have any; everything else can be measured without.
                Err(error) => println!("the system's roots are not measured: {error:#}"),
            }
        }
        Ok(())
    }

    /// Servers whose players are in a process of their own.
    fn many(&self, is_swapped: bool, label: &str) -> Result<Samples> {
        let players = ["--quiet", "--package=dtls-net", "--example=players"];
        let players = built(&players, "debug", "examples/players")?;
        self.run(json!({ "task": "many", "swapped": is_swapped, "players": players }), label)
    }

    fn run<Answer: DeserializeOwned>(&self, mut task: Value, label: &str) -> Result<Answer> {
        task["plan"] = self.plan.into();
        let mut command = self.engine.headless("bench")?;
        command.arg("--path").arg(workspace::godot_project());
        command.args(["--script", "res://bench/bench.gd", "--"]).arg(task.to_string());
        let finished = process::run(&mut command, label, Some(LIMIT))?;
        let output = finished.text();
        let result = output.lines().find_map(|line| line.strip_prefix("result: "));
        let result = result.filter(|_| finished.success());
        let result =
            result.with_context(|| format!("it failed:\n{}", finished.text().trim_end()))?;
        serde_json::from_str(result).context("the result is another")
    }
}

/// What criterion finds out about `dtls-core`, in a moment for each figure.
fn core(label: &str) -> Result<Samples> {
    let home = workspace::target_dir()?.join("bench/criterion");
    fs::create_dir_all(&home)?;
    let mut command = cargo::with_openssl()?;
    command.args(["bench", "--package", "dtls-core", "--bench", "floor", "--", "--noplot"]);
    command.args(["--warm-up-time", "0.1", "--measurement-time", "0.3", "--sample-size", "20"]);
    succeed_quietly(command.env("CRITERION_HOME", &home), label)?;
    let mut samples = Samples::new();
    for (figure, name) in FIGURES.iter().filter_map(|figure| Some((figure.id, figure.core?))) {
        let text = fs::read(home.join(name).join("new/estimates.json")).context(name)?;
        let estimates: Value = serde_json::from_slice(&text)?;
        let nanoseconds = estimates["median"]["point_estimate"].as_f64().context(name)?;
        let median = BTreeMap::from([(CORE.to_owned(), vec![nanoseconds / 1000.0])]);
        samples.insert(figure.to_owned(), median);
    }
    Ok(samples)
}
