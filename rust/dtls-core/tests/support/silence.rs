//! Clients that nobody answers.

use std::time::Duration;

use dtls_core::Session;

use super::link::{Link, Server};
use super::{pki, records};

/// So many milliseconds.
pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// How long a client waits for anything at all.
pub(crate) const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// When handshake messages went out, alerts left aside.
pub(crate) fn flights(link: &Link<Session, Server>) -> Vec<Duration> {
    let flights = link.sent.iter().filter(|it| records::content(&it.2) == records::HANDSHAKE);
    let mut times: Vec<Duration> = flights.map(|(_, at, _)| *at).collect();
    // From the third timeout on, each goes out in two copies.
    times.dedup();
    times
}

/// A link whose server does not answer, since nothing reaches it.
pub(crate) fn nobody_answers() -> Link<Session, Server> {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|_, _| true);
    link
}
