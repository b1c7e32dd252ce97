//! What is measured, and what it should be.

use std::collections::BTreeMap;

use super::statistics::Spread;

/// By how much of a target a median may miss it. Two full runs, one after the other on a machine with
/// nothing else to do, left at most 1.3 % between the medians of a ratio; this is twice that.
pub(super) const TOLERANCE: f64 = 0.03;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// The engine's own DTLS.
    Engine,
    Ours,
    /// UDP without encryption.
    Raw,
    /// `dtls-core` without an engine and without a network.
    Floor,
}

impl Side {
    pub(super) const ALL: [Self; 4] = [Self::Engine, Self::Ours, Self::Raw, Self::Floor];

    /// Its name in JSON, here and in the harness.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Ours => "ours",
            Self::Raw => "raw",
            Self::Floor => "floor",
        }
    }

    /// Its name in tables and plots.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Engine => "engine's DTLS",
            Self::Ours => "ours",
            Self::Raw => "plain UDP",
            Self::Floor => "core alone",
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// How often in a second; measured as microseconds.
    PerSecond,
    Microseconds,
    Milliseconds,
    Kibibytes,
    Packets,
}

impl Unit {
    /// What is shown of what was measured.
    pub(super) fn shown(self, measured: f64) -> f64 {
        if self == Self::PerSecond { 1e6 / measured } else { measured }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::PerSecond => "per second",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Kibibytes => "KiB",
            Self::Packets => "packets",
        }
    }
}

/// One thing that is measured.
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
}

macro_rules! figures {
    ($($id:literal $title:literal $unit:ident)*) => {
        [$(Figure { id: $id, title: $title, unit: Unit::$unit }),*]
    };
}

/// In the order of the tables.
pub(super) static FIGURES: [Figure; 18] = figures! {
    "handshake_p256" "full handshake, P-256" PerSecond
    "handshake_rsa2048" "full handshake, RSA-2048" PerSecond
    "handshake_resumed" "resumed handshake" PerSecond
    "one_way_64" "64 B one way" Microseconds
    "one_way_400" "400 B one way" Microseconds
    "one_way_1200" "1,200 B one way" Microseconds
    "round_trip" "64 B there and back" Microseconds
    "packets_per_poll" "one poll, 20 waiting" Packets
    "frame_idle_10" "idle frame, 10 peers" Microseconds
    "frame_idle_100" "idle frame, 100 peers" Microseconds
    "frame_idle_1000" "idle frame, 1,000 peers" Microseconds
    "frame_busy_10" "frame with a packet each, 10 peers" Microseconds
    "frame_busy_100" "frame with a packet each, 100 peers" Microseconds
    "frame_busy_1000" "frame with a packet each, 1,000 peers" Microseconds
    "idle_poll" "poll of an idle connection" Microseconds
    "memory" "memory of a connected pair" Kibibytes
    "trust_first" "first connect_to_peer, system's roots" Milliseconds
    "trust_next" "the next one" Milliseconds
};

/// Which way a ratio has to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// So many times as fast.
    AtLeast(f64),
    /// So many times as much.
    AtMost(f64),
}

impl Bound {
    /// Whether a ratio keeps within it, but for noise.
    pub(super) fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound * (1.0 - TOLERANCE),
            Self::AtMost(bound) => ratio <= bound * (1.0 + TOLERANCE),
        }
    }
}

/// A ratio that has to be reached.
pub(super) struct Target {
    pub(super) title: &'static str,
    /// The figure of ours.
    pub(super) figure: &'static str,
    /// What it is compared with.
    pub(super) against: (&'static str, Side),
    pub(super) bound: Bound,
    /// What would be better still.
    pub(super) aim: f64,
}

macro_rules! targets {
    ($($title:literal: $figure:literal, $other:literal of $side:ident,
        $kind:ident $bound:literal, $aim:literal;)*) => {
        [$(Target {
            title: $title,
            figure: $figure,
            against: ($other, Side::$side),
            bound: Bound::$kind($bound),
            aim: $aim,
        }),*]
    };
}

/// Missing one of them fails the command.
pub(super) static TARGETS: [Target; 10] = targets! {
    "full handshake, P-256": "handshake_p256", "handshake_p256" of Engine,
        AtLeast 5.0, 5.5;
    "full handshake, RSA-2048": "handshake_rsa2048", "handshake_rsa2048" of Engine,
        AtLeast 6.0, 6.5;
    "resumed handshake, against the engine's full one": "handshake_resumed", "handshake_p256" of Engine,
        AtLeast 12.0, 18.0;
    "1,200 B one way": "one_way_1200", "one_way_1200" of Engine,
        AtLeast 1.8, 1.95;
    "400 B one way": "one_way_400", "one_way_400" of Engine,
        AtLeast 1.4, 1.55;
    "64 B one way": "one_way_64", "one_way_64" of Engine,
        AtLeast 1.03, 1.12;
    "1,200 B one way, against plain UDP": "one_way_1200", "one_way_1200" of Raw,
        AtLeast 0.7, 0.8;
    "idle frame, 1,000 peers": "frame_idle_1000", "frame_idle_1000" of Engine,
        AtLeast 1.0, 2.0;
    "memory of a connected pair": "memory", "memory" of Engine,
        AtMost 1.3, 1.0;
    "full handshake in the engine, against the core alone": "handshake_p256", "handshake_p256" of Floor,
        AtLeast 0.8, 0.9;
};

/// What was measured: for each figure and side one number for each round, in the unit in which it is
/// measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured(BTreeMap<(String, Side), Vec<f64>>);

impl Measured {
    pub(super) fn add(&mut self, figure: &str, side: Side, value: f64) {
        self.0.entry((figure.to_owned(), side)).or_default().push(value);
    }

    /// Adds the figures of one round.
    pub(super) fn add_all(&mut self, round: Measured) {
        for ((figure, side), values) in round.0 {
            self.0.entry((figure, side)).or_default().extend(values);
        }
    }

    /// What was measured of it, round by round; nothing if it is not available.
    pub(super) fn rounds(&self, figure: &str, side: Side) -> &[f64] {
        self.0.get(&(figure.to_owned(), side)).map_or(&[], Vec::as_slice)
    }

    /// As it is shown.
    pub(super) fn shown(&self, figure: &Figure, side: Side) -> Option<Spread> {
        let rounds = self.rounds(figure.id, side).iter();
        Spread::of(rounds.map(|value| figure.unit.shown(*value)).collect())
    }

    /// How many times as good as the engine's ours is.
    pub(super) fn advantage(&self, figure: &Figure) -> Option<Spread> {
        let ours = self.rounds(figure.id, Side::Ours);
        let engine = self.rounds(figure.id, Side::Engine);
        if figure.unit == Unit::Packets {
            return Spread::ratio(ours, engine);
        }
        Spread::ratio(engine, ours)
    }

    /// The ratio that `target` is about.
    pub(super) fn ratio(&self, target: &Target) -> Option<Spread> {
        let ours = self.rounds(target.figure, Side::Ours);
        let against = self.rounds(target.against.0, target.against.1);
        match target.bound {
            Bound::AtLeast(_) => Spread::ratio(against, ours),
            Bound::AtMost(_) => Spread::ratio(ours, against),
        }
    }
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The aim is reached too.
    Aim,
    Reached,
    Missed,
    /// There is nothing to compare. That is not a pass.
    NotAvailable,
}

impl Verdict {
    pub(super) fn of(target: &Target, ratio: Option<&Spread>) -> Self {
        let Some(ratio) = ratio.map(|spread| spread.median) else {
            return Self::NotAvailable;
        };
        let reaches_aim = match target.bound {
            Bound::AtLeast(_) => ratio >= target.aim,
            Bound::AtMost(_) => ratio <= target.aim,
        };
        match (target.bound.holds(ratio), reaches_aim) {
            (true, true) => Self::Aim,
            (true, false) => Self::Reached,
            (false, _) => Self::Missed,
        }
    }

    pub(super) fn is_pass(self) -> bool {
        matches!(self, Self::Aim | Self::Reached)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Aim => "aim reached",
            Self::Reached => "reached",
            Self::Missed => "MISSED",
            Self::NotAvailable => "not available",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(title: &str) -> &'static Target {
        TARGETS.iter().find(|target| target.title == title).expect("there is such a target")
    }

    fn verdict(title: &str, ours: f64, against: f64) -> Verdict {
        let target = target(title);
        let mut measured = Measured::default();
        measured.add(target.figure, Side::Ours, ours);
        measured.add(target.against.0, target.against.1, against);
        Verdict::of(target, measured.ratio(target).as_ref())
    }

    #[test]
    fn every_target_is_about_a_figure() {
        for target in &TARGETS {
            for id in [target.figure, target.against.0] {
                assert!(FIGURES.iter().any(|figure| figure.id == id), "{id}");
            }
        }
    }

    #[test]
    fn less_time_is_better() {
        // Microseconds for one handshake.
        assert_eq!(verdict("full handshake, P-256", 100.0, 560.0), Verdict::Aim);
        assert_eq!(verdict("full handshake, P-256", 100.0, 510.0), Verdict::Reached);
        assert_eq!(verdict("full handshake, P-256", 100.0, 400.0), Verdict::Missed);
    }

    #[test]
    fn less_memory_is_better() {
        assert_eq!(verdict("memory of a connected pair", 100.0, 111.0), Verdict::Aim);
        assert_eq!(verdict("memory of a connected pair", 140.0, 111.0), Verdict::Reached);
        assert_eq!(verdict("memory of a connected pair", 150.0, 111.0), Verdict::Missed);
    }

    #[test]
    fn noise_is_tolerated_and_no_more() {
        assert!(Bound::AtLeast(5.0).holds(5.0 * (1.0 - TOLERANCE)));
        assert!(!Bound::AtLeast(5.0).holds(4.99 * (1.0 - TOLERANCE)));
        assert!(Bound::AtMost(1.3).holds(1.3 * (1.0 + TOLERANCE)));
        assert!(!Bound::AtMost(1.3).holds(1.31 * (1.0 + TOLERANCE)));
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let target = target("full handshake, P-256");
        let mut measured = Measured::default();
        measured.add(target.figure, Side::Ours, 1.0);
        let verdict = Verdict::of(target, measured.ratio(target).as_ref());
        assert_eq!(verdict, Verdict::NotAvailable);
        assert!(!verdict.is_pass());
    }
}
