//! What is told: errors, failures, counters.

pub(crate) mod error;
pub(crate) mod failure;
pub(crate) mod named;
pub(crate) mod stats;
pub(crate) mod text;
