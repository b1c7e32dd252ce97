//! The unfinished handshakes of a server, which are limited: by network, so that a client with many
//! addresses displaces its own.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::handshake::networks::Prefix;
use crate::handshake::session::Handshaking;
use crate::report::failure::Reason;
use crate::report::stats::Counters;
use crate::wire::datagrams::Datagrams;

/// The unfinished handshakes of a server, the oldest first; also some that have been finished since.
#[derive(Default)]
pub(crate) struct PendingHandshakes {
    all: Mutex<VecDeque<(Prefix, Weak<PendingHandshake>)>>,
    displaced: AtomicU64,
}

impl PendingHandshakes {
    /// Registers one more handshake of `prefix`. When there are `limit` of them, one is displaced: the
    /// oldest of the network that has the most.
    pub(crate) fn register(
        &self,
        prefix: Prefix,
        limit: usize,
        now: Instant,
    ) -> Arc<PendingHandshake> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, pending)| pending.strong_count() > 0);
        while all.len() >= limit {
            let Some((_, oldest)) = remove_for(&mut all, prefix) else {
                break;
            };
            if let Some(oldest) = oldest.upgrade() {
                oldest.displace();
                self.displaced.fetch_add(1, Ordering::Release);
            }
        }
        let pending = Arc::new(PendingHandshake { since: now, content: Mutex::default() });
        all.push_back((prefix, Arc::downgrade(&pending)));
        pending
    }

    /// How many were displaced up to now.
    pub(crate) fn displaced(&self) -> u64 {
        self.displaced.load(Ordering::Acquire)
    }
}

/// Removes the oldest entry of the prefix with the most, where `newcomer` counts as one more. Where
/// several have the most, it is the oldest entry of them all.
fn remove_for<T>(all: &mut VecDeque<(Prefix, T)>, newcomer: Prefix) -> Option<(Prefix, T)> {
    let mut counts = HashMap::from([(newcomer, 1_usize)]);
    for (prefix, _) in &*all {
        *counts.entry(*prefix).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let oldest = all.iter().position(|(prefix, _)| counts.get(prefix) == Some(&most))?;
    all.remove(oldest)
}

/// An unfinished handshake between two calls into its session. The server can displace it at any time,
/// without waiting for the session.
pub(crate) struct PendingHandshake {
    since: Instant,
    content: Mutex<Content>,
}

#[derive(Default)]
enum Content {
    /// The session has taken the handshake out to go on with it.
    #[default]
    Nothing,
    /// The handshake, and the counters of its session.
    Handshake(Box<Handshaking>, Arc<Counters>),
    /// The server has given it up. The alert for the client.
    Displaced(Datagrams),
}

impl PendingHandshake {
    /// Takes the handshake out to go on with it. If it was displaced: the alert for the client.
    pub(crate) fn take(&self) -> Result<Box<Handshaking>, Datagrams> {
        match mem::take(&mut *self.lock()) {
            Content::Handshake(handshake, _) => Ok(handshake),
            Content::Displaced(alert) => Err(alert),
            Content::Nothing => Err(Datagrams::new()),
        }
    }

    /// Puts the handshake back, unless it was displaced in the meantime.
    pub(crate) fn put(&self, handshake: Box<Handshaking>, counters: Arc<Counters>) {
        let mut content = self.lock();
        *content = match *content {
            Content::Displaced(_) => give_up(handshake, &counters),
            Content::Nothing | Content::Handshake(..) => Content::Handshake(handshake, counters),
        };
    }

    /// What `inspect` finds in the handshake, if it is there.
    pub(crate) fn inspect<R>(&self, inspect: impl FnOnce(&mut Handshaking) -> R) -> Option<R> {
        match &mut *self.lock() {
            Content::Handshake(handshake, _) => Some(inspect(handshake)),
            Content::Nothing | Content::Displaced(_) => None,
        }
    }

    /// When its session has something to do: at once, if the handshake was displaced.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.inspect(|handshake| handshake.next_timeout()).unwrap_or(self.since)
    }

    /// Gives the handshake up and frees what it holds.
    fn displace(&self) {
        let mut content = self.lock();
        *content = match mem::take(&mut *content) {
            Content::Handshake(handshake, counters) => give_up(handshake, &counters),
            // `put` frees it.
            Content::Nothing => Content::Displaced(Datagrams::new()),
            displaced @ Content::Displaced(_) => displaced,
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_up(handshake: Box<Handshaking>, counters: &Counters) -> Content {
    counters.failed(Reason::TooManyPending);
    let mut alert = Datagrams::new();
    handshake.cancel(&mut alert);
    Content::Displaced(alert)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::networks::tests::prefix;

    #[test]
    fn the_oldest_of_the_largest_loses() {
        let [a, b, c] = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"].map(prefix);
        let lost = |held: &[Prefix], newcomer| {
            let mut all = held.iter().copied().zip(0..).collect();
            remove_for(&mut all, newcomer).map(|(_, number)| number)
        };
        assert_eq!(lost(&[a, b, b, a, b], c), Some(1));
        assert_eq!(lost(&[a, b, b], b), Some(1));
        assert_eq!(lost(&[a, b], c), Some(0));
        // The newcomer counts.
        assert_eq!(lost(&[a, b, a, b], b), Some(1));
        assert_eq!(lost(&[a], b), Some(0));
        assert_eq!(lost(&[], b), None);
    }
}
