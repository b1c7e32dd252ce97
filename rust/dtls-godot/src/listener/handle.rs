//! A listener that several threads can call.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use dtls_core::{Client, MAX_PACKET, SendError, Stats};
use dtls_net::{BindAddress, ServerCounters, ServerOptions, StartError, Threads};
use godot::builtin::PackedByteArray;
use godot::global::Error;
use godot::obj::Gd;
use parking_lot::Mutex;

use super::Config;
use super::running::{Running, Usage};
use crate::configuration::error::CredentialError;
use crate::engine::logging::Holder;
use crate::engine::names::LISTENER;
use crate::peer::PacketPeerDtls;

pub(super) use super::running::Signal;

/// A listener, and its lock. The engine is not called while it is locked: a script that is called back may call
/// the listener.
#[derive(Default)]
pub(crate) struct ListenerHandle(Mutex<Listener>);

#[derive(Default)]
struct Listener {
    running: Option<Running>,
    last_error: String,
    /// What is wrong with calls of every frame, which are not printed each time.
    misuse: &'static str,
    /// Counts up with each start and stop.
    generation: u64,
}

/// Why a listener cannot be used as it was called.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Config(#[from] CredentialError),
    #[error("the port is {0}; it can be from 1 to 65,535, or 0 for a free one")]
    Port(i64),
    #[error(
        "\"{0}\" is no IP address; listen on an address of this machine, or on \"*\" for all of them"
    )]
    Address(String),
    #[error("max_peers is {0}; it can be from 1 to 65,535")]
    MaxPeers(i64),
    #[error("threads is {0}; it can be from 0 to 3, or -1 to choose by the number of cores")]
    Threads(i64),
    #[error(transparent)]
    Start(#[from] StartError),
}

impl ListenError {
    fn code(&self) -> Error {
        match self {
            Self::Config(error) => error.code(),
            Self::Port(_) | Self::Address(_) | Self::MaxPeers(_) | Self::Threads(_) => {
                Error::ERR_INVALID_PARAMETER
            }
            Self::Start(StartError::Bind(_)) => Error::ERR_UNAVAILABLE,
            Self::Start(StartError::OpenSsl(_) | StartError::Thread(_)) => Error::ERR_CANT_CREATE,
        }
    }
}

const OTHER_WAY: &str = "players are taken with take_connection() already, so that packets come through their peers; \
                         stop() ends this";
const ONE_OBJECT: &str =
    "packets come through the listener already, so that there is no peer to take; stop() ends this";

impl ListenerHandle {
    fn with<R>(&self, action: impl FnOnce(&mut Listener) -> R) -> R {
        let _holder = Holder::new();
        let mut listener = self.0.lock();
        action(&mut listener)
    }

    /// Does something with what listens, if something does, and it is used in this way.
    fn using<R>(&self, usage: Usage, otherwise: R, action: impl FnOnce(&mut Running) -> R) -> R {
        let mut report = None;
        let result = self.with(|listener| {
            let Some(running) = &mut listener.running else { return otherwise };
            if running.is_used(usage) {
                return action(running);
            }
            let why = match usage {
                Usage::OneObject => OTHER_WAY,
                Usage::PeerEach => ONE_OBJECT,
            };
            if std::mem::replace(&mut listener.misuse, why) != why {
                report = Some(why);
            }
            otherwise
        });
        if let Some(why) = report {
            log::error!("{LISTENER}: {why}.");
        }
        result
    }

    pub(super) fn is_listening(&self) -> bool {
        self.with(|listener| listener.running.is_some())
    }

    pub(super) fn local_port(&self) -> u16 {
        self.with(|listener| listener.running.as_ref().map_or(0, Running::local_port))
    }

    pub(super) fn last_error(&self) -> String {
        self.with(|listener| match listener.misuse {
            "" => listener.last_error.clone(),
            misuse => misuse.to_owned(),
        })
    }

    pub(super) fn stats(&self) -> (Stats, ServerCounters) {
        self.with(|listener| listener.running.as_ref().map(Running::stats).unwrap_or_default())
    }

    pub(super) fn listen(
        &self,
        config: Config,
        port: i64,
        address: &str,
        max_peers: i64,
        threads: i64,
    ) -> Error {
        let started = Self::start(config, port, address, max_peers, threads);
        let warning = started.as_ref().ok().and_then(Running::warning);
        let result = started.map(|running| {
            self.with(|listener| {
                // Another thread may have been faster.
                if listener.running.is_none() {
                    listener.running = Some(running);
                    listener.generation += 1;
                    return Ok(());
                }
                Err(ListenError::Config(CredentialError::AlreadyListening))
            })
        });
        let error = self.settle("listen", result.and_then(|started| started));
        if let Some(warning) = warning.filter(|_| error == Error::OK) {
            log::warn!("{LISTENER}: {warning}");
        }
        error
    }

    fn start(
        config: Config,
        port: i64,
        address: &str,
        max_peers: i64,
        threads: i64,
    ) -> Result<Running, ListenError> {
        let config = config?;
        let port = u16::try_from(port).map_err(|_| ListenError::Port(port))?;
        let address = match address {
            "*" => BindAddress::Any,
            one => match one.parse::<IpAddr>() {
                Ok(one) => BindAddress::One(one),
                Err(_) => return Err(ListenError::Address(dtls_core::printable(one))),
            },
        };
        let max_peers = match u16::try_from(max_peers) {
            Ok(peers) if peers > 0 => usize::from(peers),
            _ => return Err(ListenError::MaxPeers(max_peers)),
        };
        let threads = match usize::try_from(threads) {
            Ok(number) if number <= Threads::MOST => Threads::new(number),
            Err(_) if threads == -1 => Threads::of_this_machine(),
            _ => return Err(ListenError::Threads(threads)),
        };
        let running = Running::start(config, ServerOptions { address, port, max_peers, threads })?;
        remember(&running);
        Ok(running)
    }

    pub(super) fn set_config(&self, config: Config) -> Error {
        let result = config.and_then(|config| {
            self.with(|listener| match &listener.running {
                Some(running) => {
                    running.set_config(config);
                    Ok(())
                }
                None => Err(CredentialError::NotListening),
            })
        });
        self.settle("set_options", result.map_err(ListenError::from))
    }

    /// Keeps and prints the error, if there is one.
    fn settle(&self, method: &str, result: Result<(), ListenError>) -> Error {
        let last_error = result.as_ref().map_or_else(ToString::to_string, |()| String::new());
        self.with(|listener| {
            listener.misuse = "";
            listener.last_error = last_error;
        });
        match result {
            Ok(()) => Error::OK,
            Err(error) => {
                log::error!("{LISTENER}.{method}: {error}.");
                error.code()
            }
        }
    }

    pub(super) fn stop(&self) {
        let stopped = self.with(|listener| {
            listener.generation += 1;
            listener.running.take()
        });
        // Its threads come to their end while nobody waits for the lock.
        if let Some(running) = stopped {
            running.stop();
        }
    }

    /// Takes what has arrived, and gives what has happened to `emit`, while the listener is not locked.
    pub(super) fn poll(&self, mut emit: impl FnMut(Signal)) {
        let (signals, generation, broken) = self.with(|listener| {
            let Some(running) = &mut listener.running else {
                return (Vec::new(), 0, None);
            };
            let mut signals = Vec::new();
            let broken = running.poll(&mut signals).err();
            (signals, listener.generation, broken)
        });
        for signal in signals {
            // A script that was told before may have stopped it.
            if self.with(|listener| listener.generation) != generation {
                return;
            }
            emit(signal);
        }
        if let Some(why) = broken
            && self.with(|listener| listener.generation) == generation
        {
            self.stop();
            self.with(|listener| listener.last_error.clone_from(&why));
            log::error!("{LISTENER}: {why}.");
        }
    }

    pub(super) fn is_connection_available(&self) -> bool {
        self.using(Usage::PeerEach, false, |running| running.is_connection_available())
    }

    pub(super) fn take_connection(&self) -> Gd<PacketPeerDtls> {
        match self.using(Usage::PeerEach, None, Running::take_connection) {
            Some(registered) => PacketPeerDtls::of_handle(registered),
            None => PacketPeerDtls::refused(
                "no player waits to be taken; ask is_connection_available() before",
            ),
        }
    }

    pub(super) fn peer(&self, id: i64) -> Option<Gd<PacketPeerDtls>> {
        let registered = self.with(|listener| {
            let running = listener.running.as_mut()?;
            if running.is_used(Usage::OneObject) { running.look_at(id) } else { None }
        });
        registered.map(PacketPeerDtls::of_handle)
    }

    pub(super) fn disconnect(&self, id: i64) {
        self.using(Usage::OneObject, (), |running| running.disconnect(id));
    }

    pub(super) fn waiting(&self) -> usize {
        self.using(Usage::OneObject, 0, |running| running.waiting())
    }

    pub(super) fn next_client(&self) -> u32 {
        self.using(Usage::OneObject, 0, |running| {
            running.next_client().map_or(0, |client| client.id)
        })
    }

    pub(super) fn clients(&self) -> Vec<i32> {
        self.using(Usage::OneObject, Vec::new(), |running| {
            running.packets().map(|(client, _)| number(client)).collect()
        })
    }

    pub(super) fn receive(&self) -> PackedByteArray {
        self.using(Usage::OneObject, None, |running| running.receive().map(PackedByteArray::from))
            .unwrap_or_default()
    }

    /// All packets that wait, as the engine has them.
    pub(super) fn receive_all(&self) -> Vec<PackedByteArray> {
        self.using(Usage::OneObject, Vec::new(), |running| {
            let mut packets = Vec::with_capacity(running.waiting());
            while let Some(packet) = running.receive() {
                packets.push(PackedByteArray::from(packet));
            }
            packets
        })
    }

    /// Sends one packet to one player, or to several.
    pub(super) fn send(&self, ids: impl IntoIterator<Item = i64>, packet: &[u8]) -> Error {
        if packet.len() > MAX_PACKET {
            return Error::ERR_INVALID_PARAMETER;
        }
        let is_listening = self.is_listening();
        self.using(
            Usage::OneObject,
            if is_listening { Error::ERR_ALREADY_IN_USE } else { Error::ERR_UNCONFIGURED },
            |running| {
                let mut result = Error::OK;
                for id in ids {
                    match running.queue(id, packet) {
                        Ok(()) => {}
                        Err(SendError::NotConnected) => result = Error::ERR_DOES_NOT_EXIST,
                        Err(SendError::TooLarge) => result = Error::ERR_INVALID_PARAMETER,
                        Err(SendError::QueueFull) => result = Error::ERR_BUSY,
                    }
                }
                running.flush();
                result
            },
        )
    }
}

/// The number of a player as the engine's arrays have it.
fn number(client: Client) -> i32 {
    i32::try_from(client.id).unwrap_or(i32::MAX)
}

/// What listens, to be stopped when the engine unloads the addon: a thread must not outlive its code.
static RUNNING: Mutex<Vec<Weak<dtls_net::Stopper>>> = Mutex::new(Vec::new());

fn remember(running: &Running) {
    let mut all = RUNNING.lock();
    all.retain(|stopper| stopper.strong_count() > 0);
    all.push(Arc::downgrade(running.stopper()));
}

/// Stops all listeners, also those that a script keeps for ever.
pub(crate) fn stop_all() {
    for stopper in std::mem::take(&mut *RUNNING.lock()) {
        if let Some(stopper) = stopper.upgrade() {
            stopper.stop();
        }
    }
}
