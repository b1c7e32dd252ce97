//! Statistics as scripts see them.

use dtls_core::{Count, Dropped, Reason, Stats};
use godot::builtin::VarDictionary;

/// `stats` under the names of its counters. Every key is always there.
pub(crate) fn dictionary(stats: &Stats) -> VarDictionary {
    let mut counts = VarDictionary::new();
    for count in Count::ALL {
        counts.set(count.name(), shown(stats[*count]));
    }
    let mut dropped = VarDictionary::new();
    for why in Dropped::ALL {
        dropped.set(why.name(), shown(stats[*why]));
    }
    let mut failed = VarDictionary::new();
    for why in Reason::ALL {
        failed.set(why.name(), shown(stats[*why]));
    }
    counts.set("records_dropped", &dropped);
    counts.set("handshakes_failed", &failed);
    counts
}

fn shown(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
