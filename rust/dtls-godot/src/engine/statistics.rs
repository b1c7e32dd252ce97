//! Statistics as scripts see them.

use dtls_core::{Count, Dropped, Reason, Stats};
use dtls_net::ServerCounters;
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

/// The same of a listener, with what was lost around its socket.
pub(crate) fn of_listener(stats: &Stats, counters: &ServerCounters) -> VarDictionary {
    let mut socket = VarDictionary::new();
    socket.set("receive_errors", shown(counters.socket.receive_errors));
    socket.set("send_errors", shown(counters.socket.send_errors));
    socket.set("truncated", shown(counters.socket.truncated));
    socket.set("unsent", shown(counters.unsent));
    socket.set("handshake_queue_full", shown(counters.handshake_queue_full));
    socket.set("send_queue_full", shown(counters.send_queue_full));
    let mut all = dictionary(stats);
    all.set("socket", &socket);
    all
}

fn shown(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
