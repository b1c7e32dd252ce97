//! Secrets that are replaced while they are in use.

use std::time::{Duration, Instant};

/// A secret and the one before it, which still opens what it has closed.
pub(crate) struct Rotation<S> {
    current: S,
    previous: Option<S>,
    since: Instant,
    lifetime: Duration,
}

impl<S> Rotation<S> {
    /// Begins with `secret`. Each is used for `lifetime`, and is known for as long again.
    pub(crate) fn new(secret: S, lifetime: Duration, now: Instant) -> Self {
        Self { current: secret, previous: None, since: now, lifetime }
    }

    /// Takes a new secret from `make` if the current one has served its time.
    pub(crate) fn rotate<E>(
        &mut self,
        now: Instant,
        make: impl FnOnce() -> Result<S, E>,
    ) -> Result<(), E> {
        let age = now.saturating_duration_since(self.since);
        if age < self.lifetime {
            return Ok(());
        }
        let retired = std::mem::replace(&mut self.current, make()?);
        // After two lifetimes without a call, the retired one is too old to be known at all.
        self.previous = (age < 2 * self.lifetime).then_some(retired);
        self.since = now;
        Ok(())
    }

    pub(crate) fn current(&self) -> &S {
        &self.current
    }

    /// The current one, then the one before if that is still known.
    pub(crate) fn known(&self) -> impl Iterator<Item = &S> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}
