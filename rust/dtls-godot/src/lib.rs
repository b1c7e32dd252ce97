//! The Godot classes `DTLSServerOpenSSL`, `PacketPeerDTLSOpenSSL`, `DTLSOptions` and `DTLSCrypto`.
//!
//! Thin on purpose: a method here converts, delegates and converts. What it says about DTLS it asks
//! `dtls-core`; what is known here is the engine: its sockets, its resources, its console.

mod configuration;
mod connection;
mod credentials;
mod crypto;
mod enums;
mod error;
mod gdext_private;
#[cfg(test)]
mod help;
mod logging;
mod names;
mod options;
mod packet_peer;
mod parts;
mod peer;
mod peers;
mod saved;
mod server;
mod settings;
mod stats;
mod udp;

use godot::init::{ExtensionLibrary, InitStage, gdextension};

struct Addon;

// SAFETY: gdext asks whoever implements this to accept its safety rules; nothing here gives
// references to engine objects away or touches them outside of calls from the engine.
#[gdextension]
unsafe impl ExtensionLibrary for Addon {
    fn on_stage_init(stage: InitStage) {
        if stage == InitStage::Scene {
            gdext_private::know_classes();
            enums::register();
            packet_peer::register();
            settings::register();
            logging::start();
            if !dtls_core::use_mimalloc() {
                log::warn!("OpenSSL was started too early; it takes more memory than it has to.");
            }
        }
    }
}
