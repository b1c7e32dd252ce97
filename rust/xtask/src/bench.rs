//! `cargo xtask bench`: the engine's DTLS, ours and plain UDP on the same work, in turn.
//!
//! A round is one run of the engine (`godot_project/bench/`) and one of the benches of `dtls-core`.
//! What is compared was measured in the same round, one right after the other, since a machine is
//! never the same for long; a figure is the median of its rounds, and a ratio that of the ratios.

mod figures;
mod floor;
mod harness;
mod machine;
mod plots;
mod report;
mod statistics;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::output::Counts;
use crate::workspace;

use figures::{FIGURES, Measured, Side};
use floor::Floor;
use harness::{Harness, Plan};
use report::Report;

const DOCUMENT: &str = "docs/benchmarks.md";
const PLOTS: &str = "docs/benchmarks";

/// Rounds without which the document is not changed.
const FEWEST_FOR_DOCUMENT: u32 = 7;

/// File descriptors that 1,000 pairs of each side take, and some to spare.
const DESCRIPTORS: u64 = 8192;

const FULL: Plan = Plan {
    handshakes: 60,
    samples: 60,
    bursts: 5,
    round_trips: 50,
    polls: 1000,
    peers: &[10, 100, 1000],
    pairs: 1000,
};

const QUICK: Plan = Plan { handshakes: 30, samples: 30, ..FULL };

/// Enough to see that it works.
const SMOKE: Plan = Plan {
    handshakes: 1,
    samples: 2,
    bursts: 1,
    round_trips: 5,
    polls: 50,
    peers: &[10],
    pairs: 60,
};

/// How much to measure.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Take about a minute, and leave the document as it is
    #[arg(long)]
    quick: bool,
    /// How many rounds; 9 if nothing is said, 3 with --quick. The document is updated from 7 on
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 9 });
    build_and_stage(&build::Options { release: true, ..build::Options::default() })?;
    let floor = Floor::build()?;
    let engine = Engine::find()?;
    let dir = workspace::target_dir()?.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let pki = tempfile::Builder::new().prefix("pki-").tempdir_in(&dir)?;
    harness::write_pki(pki.path())?;
    if rlimit::increase_nofile_limit(DESCRIPTORS)? < DESCRIPTORS {
        bail!("the bench needs {DESCRIPTORS} file descriptors; raise the limit with `ulimit -Hn`");
    }

    let plan = if options.quick { QUICK } else { FULL };
    let harness = Harness { engine: &engine, plan, pki: pki.path() };
    let machine = machine::describe(&harness.versions()?);
    let measured = measure(&harness, &floor, rounds)?;
    let report = Report { machine, measured };

    let path = dir.join(if options.quick { "quick.json" } else { "full.json" });
    fs::write(&path, serde_json::to_string_pretty(&report.json())? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", report.terminal());
    println!("Every number of every round is in {}.", path.display());
    if !options.quick && rounds >= FEWEST_FOR_DOCUMENT {
        update_document(&report)?;
    }
    Ok(if report.is_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(harness: &Harness<'_>, floor: &Floor, rounds: u32) -> Result<Measured> {
    let mut measured = Measured::default();
    for round in 0..rounds {
        let swapped = round % 2 == 1;
        let label = format!("Round {} of {rounds}", round + 1);
        measured.add_all(harness.round(swapped, &label)?);
        measured.add_all(floor.round(&format!("{label}, the core alone"))?);
        // Memory does not depend on what else the machine does; a few times is often enough.
        let mut sides = [Side::Engine, Side::Ours, Side::Raw];
        if swapped {
            sides.reverse();
        }
        for side in sides {
            let label = format!("{label}, memory: {}", side.title());
            if round < 3 {
                measured.add_all(harness.memory(side, &label)?);
            }
            if side != Side::Raw {
                let label = format!("{label}, the system's roots: {}", side.title());
                match harness.trust(side, &label) {
                    Ok(trust) => measured.add_all(trust),
                    // A machine need not have any; everything else can be measured without.
                    Err(error) => println!("the system's roots are not measured: {error:#}"),
                }
            }
        }
    }
    Ok(measured)
}

fn update_document(report: &Report) -> Result<()> {
    let path = workspace::root().join(DOCUMENT);
    let document =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = report.update(&document)?;
    plots::draw(&report.measured, &workspace::root().join(PLOTS))?;
    fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{DOCUMENT} and its plots are up to date.");
    Ok(())
}

/// For the tests: one small round with what is staged, after which everything that can be measured
/// without much time has been.
pub(crate) fn smoke(engine: &Engine, dir: &Path) -> Result<Counts> {
    let pki = tempfile::Builder::new().prefix("pki-").tempdir_in(dir)?;
    harness::write_pki(pki.path())?;
    let harness = Harness { engine, plan: SMOKE, pki: pki.path() };
    let mut measured = harness.round(true, "Measuring")?;
    for side in [Side::Engine, Side::Ours, Side::Raw] {
        measured.add_all(harness.memory(side, "Measuring memory")?);
    }
    let missing: Vec<String> = expected_of_smoke()
        .filter(|(figure, side)| measured.rounds(figure, *side).is_empty())
        .map(|(figure, side)| format!("{figure} of {}", side.id()))
        .collect();
    if !missing.is_empty() {
        println!("not measured: {}", missing.join(", "));
    }
    Ok(Counts::check(missing.is_empty()))
}

/// The figures that the smallest plan has, and whose they are.
fn expected_of_smoke() -> impl Iterator<Item = (&'static str, Side)> {
    let ids = FIGURES.iter().map(|figure| figure.id).filter(|id| {
        let is_larger = id.ends_with("_100") || id.ends_with("_1000");
        !is_larger && !id.starts_with("trust_") && *id != "idle_poll"
    });
    ids.flat_map(|id| [Side::Engine, Side::Ours, Side::Raw].map(|side| (id, side))).filter(
        |(id, side)| match *id {
            "handshake_resumed" => *side == Side::Ours,
            _ => *side != Side::Raw || !id.starts_with("handshake"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_run_has_every_kind_of_figure() {
        let expected: Vec<_> = expected_of_smoke().collect();
        for id in ["handshake_p256", "one_way_1200", "round_trip", "frame_busy_10", "memory"] {
            for side in [Side::Engine, Side::Ours] {
                assert!(expected.contains(&(id, side)), "{id} of {side:?}");
            }
        }
        assert!(!expected.contains(&("handshake_p256", Side::Raw)));
    }
}
