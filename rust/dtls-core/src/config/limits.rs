//! What a connection may take in bytes and time.

use std::time::Duration;

use crate::report::error::ConfigError;
use crate::wire::record;

/// Largest packet of the application, in bytes: one record (RFC 5246 section 6.2.1). DTLS does not
/// split packets.
pub const MAX_PACKET: usize = 16 * 1024;

/// What a handshake takes at worst where 30 % of the datagrams are lost each way (17 s), and some.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// By then a client has sent its ClientHello a dozen times. A player should not wait longer to be told
/// that there is no server.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a connection may take in bytes and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    mtu: u16,
    handshake_timeout: Duration,
    idle_timeout: Option<Duration>,
}

impl Limits {
    /// The datagram sizes that can be chosen, in bytes of UDP payload: from what every IPv4 host has to
    /// take (RFC 1122 section 3.3.3, less the largest header) to a jumbo frame.
    pub const MTU: std::ops::RangeInclusive<u32> = 508..=8972;
    /// How long handshakes can be given. Shorter ones would fail on paths that work.
    pub const HANDSHAKE_TIMEOUT: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(300);

    /// The shortest time of silence after which a connection can be over. A shorter one would end
    /// connections in the middle of a game.
    pub const LEAST_IDLE_TIMEOUT: Duration = Duration::from_millis(100);

    /// Sets the largest datagram of a handshake, in bytes of UDP payload.
    ///
    /// # Errors
    /// When it is not within [`Limits::MTU`].
    pub fn with_mtu(self, mtu: u32) -> Result<Self, ConfigError> {
        match u16::try_from(mtu) {
            Ok(bytes) if Self::MTU.contains(&mtu) => Ok(Self { mtu: bytes, ..self }),
            _ => Err(ConfigError::BadMtu(mtu)),
        }
    }

    /// Sets how long a handshake may take. A client that hears nothing at all from the server gives up
    /// after 10 s, or after this time if it is shorter; one that may take longer than the default of 30 s
    /// is also given all of it while nothing is heard.
    ///
    /// # Errors
    /// When it is not within [`Limits::HANDSHAKE_TIMEOUT`].
    pub fn with_handshake_timeout(self, timeout: Duration) -> Result<Self, ConfigError> {
        if !Self::HANDSHAKE_TIMEOUT.contains(&timeout) {
            return Err(ConfigError::BadHandshakeTimeout(timeout));
        }
        Ok(Self { handshake_timeout: timeout, ..self })
    }

    /// Sets after how long without a packet from the peer a connection is over; `None` for never.
    ///
    /// # Errors
    /// When it is shorter than [`Limits::LEAST_IDLE_TIMEOUT`].
    pub fn with_idle_timeout(self, timeout: Option<Duration>) -> Result<Self, ConfigError> {
        match timeout {
            Some(timeout) if timeout < Self::LEAST_IDLE_TIMEOUT => {
                Err(ConfigError::BadIdleTimeout(timeout))
            }
            _ => Ok(Self { idle_timeout: timeout, ..self }),
        }
    }

    pub(crate) fn mtu(&self) -> u16 {
        self.mtu
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// How long a client waits for anything at all.
    pub(crate) fn first_answer_timeout(&self) -> Duration {
        if self.handshake_timeout > HANDSHAKE_TIMEOUT {
            self.handshake_timeout
        } else {
            self.handshake_timeout.min(FIRST_ANSWER_TIMEOUT)
        }
    }

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// Largest packet, in bytes, that fits one datagram, before a cipher suite is agreed upon.
    pub fn max_packet_size(&self) -> usize {
        usize::from(self.mtu).saturating_sub(OVERHEAD)
    }
}

impl Default for Limits {
    /// 1,200 bytes pass every path that games are played over, IPv6 tunnels included (RFC 9000 section
    /// 14 builds on the same figure). Handshakes have 30 s, connections all the time of the world.
    fn default() -> Self {
        Self { mtu: 1200, handshake_timeout: HANDSHAKE_TIMEOUT, idle_timeout: None }
    }
}

/// Bytes that encryption adds to a packet with AES-GCM: record header, explicit nonce, tag.
const OVERHEAD: usize = record::HEADER + 8 + 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_work_cannot_be_made() {
        let limits = Limits::default();
        for idle in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(99)] {
            let refused = limits.with_idle_timeout(Some(idle));
            assert_eq!(refused, Err(ConfigError::BadIdleTimeout(idle)));
        }
        for idle in [None, Some(Limits::LEAST_IDLE_TIMEOUT), Some(Duration::MAX)] {
            let limits = limits.with_idle_timeout(idle).expect("a time");
            assert_eq!(limits.idle_timeout(), idle);
        }
    }
}
