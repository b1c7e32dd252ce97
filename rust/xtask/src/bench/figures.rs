//! What is measured, and what it should be.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use statrs::statistics::{Data, Max, Min, OrderStatistics};

use Bound::{AtLeast, AtMost};

/// By how much of a target a median may miss it. Two full runs, one after the other on a machine with
/// nothing else to do, left at most 1.3 % between the medians of a ratio; this is twice that.
const TOLERANCE: f64 = 0.03;

/// Who does the work: the engine's own DTLS, ours, UDP without encryption, and `dtls-core` without an
/// engine and without a network.
pub(super) const THEIRS: &str = "engine";
pub(super) const OURS: &str = "ours";
pub(super) const RAW: &str = "raw";
pub(super) const CORE: &str = "core";

/// All of them, with their names in tables and plots.
pub(super) const SIDES: [(&str, &str); 4] =
    [(THEIRS, "engine's DTLS"), (OURS, "ours"), (RAW, "plain UDP"), (CORE, "core alone")];

/// Measured as microseconds.
const PER_SECOND: &str = "per second";
const PACKETS: &str = "packets";

/// One thing that is measured: a row of the table.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    /// What `bench.gd` calls it.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// What criterion calls it, if the core alone does it too.
    pub(super) core: Option<&'static str>,
    /// The plot that it is in, what stands under its bars, and what its numbers are divided by.
    pub(super) plot: Option<(&'static str, &'static str, f64)>,
    /// Whether the smallest plan has it too.
    pub(super) is_small: bool,
}

const fn row(id: &'static str, title: &'static str, unit: &'static str) -> Figure {
    Figure { id, title, unit, core: None, plot: None, is_small: true }
}

impl Figure {
    const fn core(self, name: &'static str) -> Self {
        Self { core: Some(name), ..self }
    }

    const fn plot(self, name: &'static str, label: &'static str, divisor: f64) -> Self {
        Self { plot: Some((name, label, divisor)), ..self }
    }

    const fn large(self) -> Self {
        Self { is_small: false, ..self }
    }
}

/// In the order of the table.
#[rustfmt::skip] // A row is a line, or two.
pub(super) const FIGURES: [Figure; 30] = [
    row("handshake_p256", "full handshake, P-256", PER_SECOND)
        .core("handshake/p256").plot("handshakes", "full, P-256", 1.0),
    row("handshake_rsa2048", "full handshake, RSA-2048", PER_SECOND)
        .core("handshake/rsa2048").plot("handshakes", "full, RSA-2048", 1.0),
    row("handshake_resumed", "resumed handshake", PER_SECOND).plot("handshakes", "resumed", 1.0),
    row("one_way_64", "64 B one way", "µs").core("packet/64").plot("packets", "64 B", 1.0),
    row("one_way_400", "400 B one way", "µs").core("packet/400").plot("packets", "400 B", 1.0),
    row("one_way_1200", "1,200 B one way", "µs").core("packet/1200").plot("packets", "1,200 B", 1.0),
    row("round_trip", "64 B there and back", "µs"),
    row("packets_per_poll", "one poll, 20 waiting", PACKETS),
    row("frame_idle_10", "idle frame, 10 peers", "µs").plot("idle_frames", "10 peers", 10.0),
    row("frame_idle_100", "idle frame, 100 peers", "µs").plot("idle_frames", "100 peers", 100.0).large(),
    row("frame_idle_1000", "idle frame, 1,000 peers", "µs").plot("idle_frames", "1,000 peers", 1000.0).large(),
    row("frame_busy_10", "frame with a packet each, 10 peers", "µs")
        .plot("busy_frames", "10 peers", 10.0),
    row("frame_busy_100", "frame with a packet each, 100 peers", "µs")
        .plot("busy_frames", "100 peers", 100.0).large(),
    row("frame_busy_1000", "frame with a packet each, 1,000 peers", "µs")
        .plot("busy_frames", "1,000 peers", 1000.0).large(),
    row("idle_poll", "poll of an idle connection", "µs").core("idle_poll").large(),
    row("memory", "memory of a connected pair", "KiB").plot("memory", "1,000 pairs", 1.0),
    row("trust_first", "first connect_to_peer, system's roots", "ms").large(),
    row("trust_next", "the next one", "ms").large(),
    row("many_one", "DTLSListener, a packet from each of 1,000 players", "µs").large(),
    row("many_each", "the same with a PacketPeer each", "µs").large(),
    row("many_answered", "the same through one object, each answered", "µs").large(),
    row("many_idle", "the same, idle frame", "µs").large(),
    row("many_threadless", "the same without threads", "µs").large(),
    row("many_polled", "DTLSServerOpenSSL, a packet from each of 1,000 players", "µs").large(),
    row("some_one", "DTLSListener, a packet from each of 100 players", "µs").large(),
    row("stall", "1,000 packets of 1,200 B, there after a stall of 100 ms", PACKETS).large(),
    row("memory_server", "memory of a player of a DTLSListener", "KiB").large(),
    row("play_cpu", "processor time of a second with 50 players", "ms").large(),
    row("worst_frame", "DTLSListener, longest frame while 500 join 200", "µs").large(),
    row("worst_frame_polled", "DTLSServerOpenSSL, the same", "µs").large(),
];

/// Which way a ratio has to go.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    /// So many times as fast.
    AtLeast(f64),
    /// So many times as much.
    AtMost(f64),
}

/// A ratio that has to be reached: what it is called, the figure of ours, the one of whom it is compared
/// with, the bound, and what would be better still.
#[derive(Clone, Copy)]
pub(super) struct Target(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) (&'static str, &'static str),
    pub(super) Bound,
    pub(super) f64,
);

/// Missing one of them fails the command.
#[rustfmt::skip] // A row is a line, or two.
pub(super) const TARGETS: [Target; 18] = [
    Target("full handshake, P-256", "handshake_p256", ("handshake_p256", THEIRS), AtLeast(5.0), 5.5),
    Target("full handshake, RSA-2048", "handshake_rsa2048", ("handshake_rsa2048", THEIRS), AtLeast(6.0), 6.5),
    Target("resumed handshake, against the engine's full one",
        "handshake_resumed", ("handshake_p256", THEIRS), AtLeast(12.0), 18.0),
    Target("1,200 B one way", "one_way_1200", ("one_way_1200", THEIRS), AtLeast(1.8), 1.95),
    Target("400 B one way", "one_way_400", ("one_way_400", THEIRS), AtLeast(1.4), 1.55),
    Target("64 B one way", "one_way_64", ("one_way_64", THEIRS), AtLeast(1.03), 1.12),
    Target("1,200 B one way, against plain UDP", "one_way_1200", ("one_way_1200", RAW), AtLeast(0.7), 0.8),
    Target("idle frame, 1,000 peers", "frame_idle_1000", ("frame_idle_1000", THEIRS), AtLeast(1.0), 2.0),
    Target("memory of a connected pair", "memory", ("memory", THEIRS), AtMost(1.3), 1.0),
    Target("full handshake in the engine, against the core alone",
        "handshake_p256", ("handshake_p256", CORE), AtLeast(0.8), 0.9),
    Target("DTLSListener, a packet from each of 1,000, against plain UDP",
        "many_one", ("many_one", RAW), AtLeast(20.0), 30.0),
    Target("the same with a PacketPeer each", "many_each", ("many_one", RAW), AtLeast(6.0), 12.0),
    Target("the same through one object, each answered",
        "many_answered", ("many_answered", RAW), AtLeast(4.0), 20.0),
    Target("the same, from each of 100", "some_one", ("some_one", RAW), AtLeast(4.0), 6.0),
    Target("the same, idle frame, 1,000 players", "many_idle", ("many_idle", RAW), AtLeast(30.0), 80.0),
    Target("DTLSListener without threads, against DTLSServerOpenSSL",
        "many_threadless", ("many_polled", OURS), AtLeast(2.0), 3.0),
    Target("DTLSListener, longest frame, against DTLSServerOpenSSL",
        "worst_frame", ("worst_frame_polled", OURS), AtLeast(20.0), 50.0),
    Target("DTLSListener, processor time, against the engine's DTLS",
        "play_cpu", ("play_cpu", THEIRS), AtMost(0.9), 0.6),
];

impl Target {
    /// What has become of it, by the median of the rounds.
    pub(super) fn verdict(&self, ratio: Option<Spread>) -> &'static str {
        let Some(Spread { median, .. }) = ratio else { return "not available" };
        let (is_reached, is_aim) = match self.3 {
            AtLeast(least) => (median >= least * (1.0 - TOLERANCE), median >= self.4),
            AtMost(most) => (median <= most * (1.0 + TOLERANCE), median <= self.4),
        };
        match (is_reached, is_aim) {
            (true, true) => "aim reached",
            (true, false) => "reached",
            (false, _) => "MISSED",
        }
    }
}

/// Numbers that should be the same, one for each round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// `None` of no rounds.
    pub(super) fn of(rounds: impl Iterator<Item = f64>) -> Option<Self> {
        let mut data = Data::new(rounds.collect::<Vec<_>>());
        (!data.is_empty()).then(|| Self {
            median: data.median(),
            least: data.min(),
            most: data.max(),
        })
    }
}

/// By figure and side.
pub(super) type Samples = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// What was measured, one number for each round, in the unit in which it is measured.
#[derive(Debug, Default)]
pub(super) struct Measured(pub(super) Samples);

impl Measured {
    /// Adds the medians of the samples of a round.
    pub(super) fn add(&mut self, samples: Samples) -> Result<()> {
        for (figure, sides) in samples {
            ensure!(FIGURES.iter().any(|it| it.id == figure), "there is no figure {figure}");
            for (side, samples) in sides {
                let median = Spread::of(samples.into_iter()).map_or(0.0, |spread| spread.median);
                ensure!(median > 0.0, "{figure} of {side} is not measured");
                let rounds = self.0.entry(figure.clone()).or_default();
                rounds.entry(side).or_default().push(median);
            }
        }
        Ok(())
    }

    /// Nothing if it is not available.
    pub(super) fn rounds(&self, figure: &str, side: &str) -> &[f64] {
        self.0.get(figure).and_then(|sides| sides.get(side)).map_or(&[], Vec::as_slice)
    }

    /// As it is shown, divided by something.
    pub(super) fn shown(&self, figure: &Figure, side: &str, divisor: f64) -> Option<Spread> {
        let unit = |it: f64| if figure.unit == PER_SECOND { 1e6 / it } else { it };
        Spread::of(self.rounds(figure.id, side).iter().map(|it| unit(*it) / divisor))
    }

    /// Round by round, how many times one is the other: what disturbs a whole round disturbs both.
    fn quotient(&self, above: (&str, &str), below: (&str, &str)) -> Option<Spread> {
        let rounds = self.rounds(above.0, above.1).iter().zip(self.rounds(below.0, below.1));
        Spread::of(rounds.map(|(above, below)| above / below))
    }

    /// How many times as good as the engine's ours is.
    pub(super) fn advantage(&self, figure: &Figure) -> Option<Spread> {
        let (ours, theirs) = ((figure.id, OURS), (figure.id, THEIRS));
        let is_more_better = figure.unit == PACKETS;
        if is_more_better { self.quotient(ours, theirs) } else { self.quotient(theirs, ours) }
    }

    /// The ratio that a target is about.
    pub(super) fn ratio(&self, Target(_, figure, against, bound, _): &Target) -> Option<Spread> {
        match bound {
            AtLeast(_) => self.quotient(*against, (figure, OURS)),
            AtMost(_) => self.quotient((figure, OURS), *against),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut measured = Measured::default();
        let mut add = |json: &str| measured.add(serde_json::from_str(json)?);
        // Twice as fast in the first two, whatever else the machine did.
        for (engine, ours) in [("1, 10, 90", "5"), ("80", "2, 40, 41"), ("30", "10")] {
            let samples =
                format!(r#"{{"one_way_64": {{"engine": [{engine}], "ours": [{ours}]}}}}"#);
            add(&samples).expect("complete");
        }
        add(r#"{"one_way_64": {"ours": []}}"#).expect_err("no sample");
        add(r#"{"one_way_65": {"ours": [1]}}"#).expect_err("no such figure");
        let expected = Spread { median: 2.0, least: 2.0, most: 3.0 };
        assert_eq!(measured.advantage(&FIGURES[3]), Some(expected));
    }
}
