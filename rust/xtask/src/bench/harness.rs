//! What is measured inside the engine, by `godot_project/bench/`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::process::{self, Run, describe};
use crate::{debian, workspace};

use super::figures::{Measured, Side};
use super::statistics::median;

/// How long one run of the engine may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// What marks the line with the result.
const RESULT: &str = "result: ";

/// How much is measured in a round. The sides take turns after every sample, so that what the machine
/// does beside it meets them all; a sample is long enough for a clock of microseconds, and short enough
/// that most are not interrupted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Handshakes of each side and kind; each is a sample.
    pub(super) handshakes: u32,
    /// Samples of everything else.
    pub(super) samples: u32,
    /// Bursts of 20 packets in a sample.
    pub(super) bursts: u32,
    /// Round trips in a sample.
    pub(super) round_trips: u32,
    /// Polls of a peer in a sample of idle frames.
    pub(super) polls: u32,
    /// How many peers the servers have whose frames are timed.
    pub(super) peers: &'static [u32],
    /// Pairs whose memory is measured.
    pub(super) pairs: u32,
}

/// The harness, ready to run.
pub(super) struct Harness<'a> {
    pub(super) engine: &'a Engine,
    pub(super) plan: Plan,
    /// The folder of keys and certificates, see [`write_pki`].
    pub(super) pki: &'a Path,
}

impl Harness<'_> {
    /// One round: the sides in turn, in one process, the other way round if `swapped`.
    pub(super) fn round(&self, swapped: bool, label: &str) -> Result<Measured> {
        let Plan { handshakes, samples, bursts, round_trips, polls, peers, .. } = self.plan;
        let result = self.run(
            json!({
                "task": "round", "swapped": swapped, "pki": self.pki, "handshakes": handshakes,
                "samples": samples, "bursts": bursts, "round_trips": round_trips, "polls": polls,
                "peers": peers,
            }),
            label,
        )?;
        medians(&result)
    }

    /// Memory of connected pairs of one side.
    pub(super) fn memory(&self, side: Side, label: &str) -> Result<Measured> {
        let plan = json!({
            "task": "memory", "side": side.id(), "pairs": self.plan.pairs, "pki": self.pki,
        });
        medians(&self.run(plan, label)?)
    }

    /// The first connection of one side with the system's roots, and the next.
    pub(super) fn trust(&self, side: Side, label: &str) -> Result<Measured> {
        medians(&self.run(json!({ "task": "trust", "side": side.id() }), label)?)
    }

    /// Versions, by name.
    pub(super) fn versions(&self) -> Result<Value> {
        self.run(json!({ "task": "versions" }), "Asking the engine for its versions")
    }

    fn run(&self, plan: Value, label: &str) -> Result<Value> {
        let mut command = self.engine.headless("bench")?;
        command
            .arg("--path")
            .arg(workspace::godot_project())
            .args(["--script", "res://bench/bench.gd", "--"])
            .arg(plan.to_string());
        let how = Run { label: Some(label), live: false, limit: Some(LIMIT) };
        let finished = process::run(&mut command, how)?;
        let Some(status) = finished.status else {
            bail!("the bench did not finish within {} s and was ended", LIMIT.as_secs());
        };
        let output = finished.stdout();
        match output.lines().find_map(|line| line.strip_prefix(RESULT)) {
            Some(result) if status.success() => {
                serde_json::from_str(result).context("the result of the bench is no JSON")
            }
            _ => bail!("the engine {}:\n{}", describe(status), finished.text().trim_end()),
        }
    }
}

/// The medians of the samples that the harness printed, by figure and side.
fn medians(result: &Value) -> Result<Measured> {
    let mut measured = Measured::default();
    for (figure, sides) in result.as_object().context("the result is no object")? {
        for (name, samples) in sides.as_object().context("a figure is no object")? {
            let side = Side::ALL.into_iter().find(|side| side.id() == name);
            let side = side.with_context(|| format!("{figure} has a side {name}"))?;
            let samples: Option<Vec<f64>> =
                samples.as_array().and_then(|all| all.iter().map(Value::as_f64).collect());
            let median = samples.and_then(|samples| median(&samples));
            match median {
                Some(median) if median.is_finite() && median > 0.0 => {
                    measured.add(figure, side, median);
                }
                _ => bail!("{figure} of {name} is not measured: {sides}"),
            }
        }
    }
    Ok(measured)
}

/// Writes the keys and certificates of the bench: a root and a server below it, both with P-256 keys,
/// and both with RSA keys.
pub(super) fn write_pki(dir: &Path) -> Result<()> {
    write_chain(dir, "p256", || Ok(test_pki::Key::P256))?;
    write_chain(dir, "rsa2048", || Ok(test_pki::Key::FromPem(rsa_key()?)))
}

fn write_chain(
    dir: &Path,
    name: &str,
    mut key: impl FnMut() -> Result<test_pki::Key>,
) -> Result<()> {
    let root = test_pki::Authority::root_with_key("godot-dtls bench root", &key()?);
    let issued = root.issue(test_pki::Profile::localhost().key(key()?));
    for (file, text) in [
        (format!("{name}.key"), &issued.key_pem),
        (format!("{name}.crt"), &issued.cert_pem),
        (format!("{name}_root.crt"), &root.cert_pem()),
    ] {
        let path = dir.join(file);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A new RSA key in PEM, which test-pki cannot make.
fn rsa_key() -> Result<String> {
    if !process::on_path("openssl") {
        debian::install(&["openssl"]).context("the bench has it make RSA keys")?;
    }
    let mut command = std::process::Command::new("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    Ok(process::succeed_quietly(&mut command, "Making an RSA key")?.stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_medians() {
        let result = json!({
            "one_way_64": { "engine": [5.0, 4.0, 90.0], "ours": [3.0, 2.0] },
            "memory": { "raw": [17] },
        });
        let measured = medians(&result).expect("it is complete");
        assert_eq!(measured.rounds("one_way_64", Side::Engine), [5.0]);
        assert_eq!(measured.rounds("one_way_64", Side::Ours), [2.5]);
        assert_eq!(measured.rounds("memory", Side::Raw), [17.0]);
        assert_eq!(measured.rounds("memory", Side::Ours), [0.0; 0]);
    }

    #[test]
    fn what_is_no_measurement_is_refused() {
        for samples in [json!([]), json!([0.0]), json!([-1.0]), json!(["4"]), json!(null)] {
            let result = json!({ "one_way_64": { "ours": samples } });
            assert!(medians(&result).is_err(), "{samples}");
        }
        assert!(medians(&json!({ "one_way_64": { "theirs": [1.0] } })).is_err());
        assert!(medians(&json!([])).is_err());
    }
}
