//! A client whose server's addresses are looked up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dtls_core::Session;
use dtls_net::Socket;

use super::enums::Reason;
use super::native::Native;
use crate::configuration::client::Client;
use crate::engine::resolve::Lookup;

/// A client whose server's addresses are looked up.
pub(crate) struct Resolving {
    pub(crate) lookup: Lookup,
    pub(crate) prepared: Prepared,
}

/// What a connection begins with, but for the address of the server.
pub(crate) struct Prepared {
    pub(crate) client: Client,
    pub(crate) socket: Socket,
    /// Of the server, as it was given.
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) began: Instant,
}

/// How far it has come.
pub(crate) enum Progress {
    /// The name is still looked for.
    Waiting(Box<Resolving>),
    /// The handshake has begun.
    Begun(Box<Native>, Box<Session>),
}

/// Why the handshake could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(
        "no address was found for the host name {0}; look whether it is spelled right, and whether this \
         machine is online"
    )]
    NotFound(String),
    #[error(
        "no address was found for the host name {name} within {} s; no name server answers, or the engine \
         still waits for an answer about another name", after.as_secs_f32()
    )]
    TimedOut { name: String, after: Duration },
    #[error(transparent)]
    Session(#[from] dtls_core::ConnectError),
}

impl ResolveError {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::NotFound(_) | Self::TimedOut { .. } => Reason::CannotResolve,
            Self::Session(_) => Reason::Internal,
        }
    }
}

impl Resolving {
    /// Begins the handshake if an address was found.
    pub(crate) fn poll(self: Box<Self>, now: Instant) -> Result<Progress, ResolveError> {
        match self.lookup.found() {
            Some(addresses) => {
                let (native, session) = self.prepared.begin(&addresses, now)?;
                Ok(Progress::Begun(Box::new(native), Box::new(session)))
            }
            None => {
                self.prepared.check_time(now)?;
                Ok(Progress::Waiting(self))
            }
        }
    }
}

impl Prepared {
    /// An address can be waited for as long as a handshake may take.
    fn check_time(&self, now: Instant) -> Result<(), ResolveError> {
        let after = self.client.config.limits().handshake_timeout();
        if now < self.began + after {
            return Ok(());
        }
        Err(ResolveError::TimedOut { name: self.name.clone(), after })
    }

    /// Begins the handshake with the server at one of these addresses.
    pub(crate) fn begin(
        self,
        addresses: &[IpAddr],
        now: Instant,
    ) -> Result<(Native, Session), ResolveError> {
        let Client { config, server_name } = self.client;
        let native = Native::new(self.socket, addresses, self.port, now);
        let native = native.ok_or(ResolveError::NotFound(self.name))?;
        let session = Session::connect_since(&config, server_name, self.began, now)?;
        Ok((native, session))
    }
}

#[cfg(test)]
mod tests {
    use dtls_core::{ClientConfig, Failure, Limits, Psk, Status};
    use dtls_net::BindAddress;

    use super::*;

    /// A client that may take 30 s.
    fn prepared(began: Instant) -> Prepared {
        let psk = Psk::new("player", &[7; 32]).expect("a key");
        let config = ClientConfig::with_psk(psk).with_limits(Limits::default());
        let client = Client { config: config.build().expect("usable"), server_name: None };
        let socket = Socket::bind(BindAddress::Any, 0).expect("a socket");
        Prepared { client, socket, name: "game.example".to_owned(), port: 4242, began }
    }

    #[test]
    fn a_name_is_waited_for_as_long_as_a_handshake_may_take() {
        let began = Instant::now();
        let client = prepared(began);
        let limit = Duration::from_secs(30);
        client.check_time(began + limit - Duration::from_nanos(1)).expect("there is time left");
        let error = client.check_time(began + limit).expect_err("the time is over");
        assert_eq!(error.reason(), Reason::CannotResolve);
        let text = "no address was found for the host name game.example within 30 s; ";
        assert!(error.to_string().starts_with(text), "{error}");
    }

    #[test]
    fn a_name_without_an_address_is_an_error() {
        let now = Instant::now();
        let error = prepared(now).begin(&[], now).err().expect("there is nowhere to send to");
        assert_eq!(error.reason(), Reason::CannotResolve);
        let text = "no address was found for the host name game.example; ";
        assert!(error.to_string().starts_with(text), "{error}");
    }

    #[test]
    fn looking_up_counts_for_the_time_that_a_handshake_may_take() {
        let began = Instant::now();
        let found = began + Duration::from_secs(25);
        let addresses = [IpAddr::from([192, 0, 2, 1])];
        let (_, mut session) = prepared(began).begin(&addresses, found).expect("OpenSSL works");
        session.handle_timeout(began + Duration::from_millis(29_999));
        assert_eq!(session.status(), Status::Handshaking);
        session.handle_timeout(began + Duration::from_secs(30));
        assert!(matches!(
            session.failure(),
            Some(Failure::TimedOut { .. } | Failure::PskNotProved { .. })
        ));
    }
}
