//! What the addon knows of the engine besides its own classes: its objects and their ids, its UDP sockets,
//! its queue of names to look up, its console, its project settings.

pub(crate) mod handles;
pub(crate) mod logging;
pub(crate) mod names;
pub(crate) mod resolve;
pub(crate) mod settings;
pub(crate) mod statistics;
pub(crate) mod udp;
