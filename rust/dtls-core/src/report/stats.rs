//! What is counted: by each session, and by a server over all that it ever had.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::report::failure::Reason;
use crate::report::named::named;

named! {
    /// A counter.
    pub enum Count {
        /// Datagrams that came in, whatever was in them.
        DatagramsReceived = "datagrams_received",
        /// Their bytes.
        BytesReceived = "bytes_received",
        /// Datagrams that went out.
        DatagramsSent = "datagrams_sent",
        /// Their bytes.
        BytesSent = "bytes_sent",
        /// Packets of the application that came in.
        PacketsReceived = "packets_received",
        /// Packets of the application that went out.
        PacketsSent = "packets_sent",
        /// How often clients were asked to prove their address.
        CookiesSent = "cookies_sent",
        /// Handshakes that have begun.
        HandshakesStarted = "handshakes_started",
        /// Handshakes that have led to a connection.
        HandshakesCompleted = "handshakes_completed",
        /// How many milliseconds those took, all together.
        HandshakeMsec = "handshake_msec",
        /// Connections that exist: the one number that goes down again.
        Connections = "connections",
        /// How often a flight of a handshake went out again.
        Retransmissions = "retransmissions",
    }
}

named! {
    /// Why a record was dropped.
    pub enum Dropped {
        /// It is not DTLS, or breaks a limit. What stands behind it in the datagram counts with it.
        Malformed = "malformed",
        /// It is encrypted, and not by the peer.
        Forged = "forged",
        /// It has been received before, or is so old that this cannot be told.
        Replayed = "replayed",
        /// It is encrypted and came before there were keys, and enough such records are kept already.
        TooEarly = "too_early",
        /// It has no meaning at this point.
        Unexpected = "unexpected",
        /// It is a packet, and so many wait for the application that it was not kept.
        QueueFull = "queue_full",
        /// It was to be sent, and so many wait for that already that it was not kept.
        SendQueueFull = "send_queue_full",
    }
}

/// What was counted up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    counts: [u64; Count::ALL.len()],
    dropped: [u64; Dropped::ALL.len()],
    failed: [u64; Reason::ALL.len()],
}

impl Index<Count> for Stats {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.counts[count as usize]
    }
}

impl Index<Dropped> for Stats {
    type Output = u64;

    fn index(&self, why: Dropped) -> &u64 {
        &self.dropped[why as usize]
    }
}

/// Handshakes that failed for this reason.
impl Index<Reason> for Stats {
    type Output = u64;

    fn index(&self, why: Reason) -> &u64 {
        &self.failed[why as usize]
    }
}

impl Stats {
    fn values(&mut self) -> impl Iterator<Item = &mut u64> {
        self.counts.iter_mut().chain(&mut self.dropped).chain(&mut self.failed)
    }
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, mut other: Self) {
        self.values().zip(other.values()).for_each(|(sum, value)| *sum += *value);
    }
}

/// The counters of one session, or of a listener. One thread at a time counts; any may look. A handshake
/// that was displaced by a newer one is counted by the server that displaced it, and by no one else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; Count::ALL.len()],
    dropped: [AtomicU64; Dropped::ALL.len()],
    failed: [AtomicU64; Reason::ALL.len()],
}

/// Adds without a locked instruction, which is enough where one thread at a time does it.
fn add(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Ordering::Relaxed) + number, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn add(&self, count: Count, number: u64) {
        add(&self.counts[count as usize], number);
    }

    /// Whether there is a connection now.
    pub(crate) fn connected(&self, is_connected: bool) {
        self.counts[Count::Connections as usize].store(is_connected.into(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// One datagram of so many bytes has come in.
    pub(crate) fn received(&self, bytes: usize) {
        self.add(Count::DatagramsReceived, 1);
        self.add(Count::BytesReceived, u64::try_from(bytes).unwrap_or_default());
    }

    /// One datagram of so many bytes goes out.
    pub(crate) fn sent(&self, bytes: usize) {
        self.add(Count::DatagramsSent, 1);
        self.add(Count::BytesSent, u64::try_from(bytes).unwrap_or_default());
    }

    pub(crate) fn dropped(&self, why: Dropped) {
        add(&self.dropped[why as usize], 1);
    }

    pub(crate) fn failed(&self, why: Reason) {
        add(&self.failed[why as usize], 1);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            counts: self.counts.each_ref().map(read),
            dropped: self.dropped.each_ref().map(read),
            failed: self.failed.each_ref().map(read),
        }
    }
}

/// What a server and all of its sessions have counted.
#[derive(Debug, Default)]
pub(crate) struct StatsRegistry(Mutex<Registered>);

#[derive(Debug, Default)]
struct Registered {
    /// What sessions counted that have ended.
    ended: Stats,
    live: BTreeMap<u64, Arc<Counters>>,
    registrations: u64,
}

impl StatsRegistry {
    /// Counters whose values are part of the sum from now on.
    pub(crate) fn register(self: &Arc<Self>) -> RegisteredCounters {
        let mut registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registered.registrations += 1;
        let (number, counters) = (registered.registrations, Arc::<Counters>::default());
        registered.live.insert(number, Arc::clone(&counters));
        RegisteredCounters { number, counters, registry: Some(Arc::clone(self)) }
    }

    /// The sum.
    pub(crate) fn total(&self) -> Stats {
        let registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = registered.ended;
        registered.live.values().for_each(|counters| sum += counters.snapshot());
        sum
    }
}

/// The counters of a session. Their values stay in the registry when the session is gone.
#[derive(Debug, Default)]
pub(crate) struct RegisteredCounters {
    number: u64,
    counters: Arc<Counters>,
    /// `None` for a client's session.
    registry: Option<Arc<StatsRegistry>>,
}

impl RegisteredCounters {
    /// The counters themselves, for a server that counts what the session cannot.
    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }
}

impl std::ops::Deref for RegisteredCounters {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for RegisteredCounters {
    fn drop(&mut self) {
        if let Some(registry) = &self.registry {
            let mut registered = registry.0.lock().unwrap_or_else(PoisonError::into_inner);
            registered.live.remove(&self.number);
            // Its session may be dropped without having been closed.
            self.counters.connected(false);
            registered.ended += self.counters.snapshot();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_keeps_what_ended_sessions_have_counted() {
        let registry = Arc::<StatsRegistry>::default();
        let (one, other) = (registry.register(), registry.register());
        one.connected(true);
        other.connected(true);
        one.received(100);
        one.failed(Reason::Timeout);
        other.received(20);
        other.dropped(Dropped::Forged);
        assert_eq!(registry.total()[Count::BytesReceived], 120);
        assert_eq!(registry.total()[Count::Connections], 2);
        drop(one);
        assert_eq!(registry.total()[Count::Connections], 1);
        other.connected(false);
        other.received(3);
        let sum = registry.total();
        assert_eq!((sum[Count::DatagramsReceived], sum[Count::BytesReceived]), (3, 123));
        assert_eq!((sum[Reason::Timeout], sum[Dropped::Forged]), (1, 1));
        assert_eq!(sum[Reason::Protocol], 0);
        drop(other);
        assert_eq!(registry.total(), sum);
    }
}
