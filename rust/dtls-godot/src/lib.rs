//! The Godot classes `DTLSListener`, `DTLSServerOpenSSL`, `PacketPeerDTLSOpenSSL`, `DTLSOptions` and `DTLSCrypto`.
//!
//! Thin on purpose: a method here converts, delegates and converts. `dtls-core` decides about DTLS; what is
//! known here is the engine: its sockets, its resources, its console.
//!
//! From the top down: the classes (`listener`, `server`, `peer`, `crypto`), what configurations are made from
//! (`configuration`), the class that it reads (`options`), what gdext calls private (`gdext_private`), the engine
//! (`engine`). Nothing refers to what is above it.

mod configuration;
mod crypto;
mod engine;
mod gdext_private;
#[cfg(test)]
mod help;
mod listener;
mod options;
mod peer;
mod server;

use godot::init::{ExtensionLibrary, InitStage, gdextension};

use crate::crypto::DtlsCrypto;
use crate::engine::{logging, settings};
use crate::gdext_private::class_ids;
use crate::listener::DtlsListener;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;
use crate::server::DtlsServer;

struct Addon;

// SAFETY: an implementation accepts gdext's safety rules by this; nothing here gives references to engine
// objects away or touches them outside of calls from the engine.
#[gdextension]
unsafe impl ExtensionLibrary for Addon {
    fn on_stage_deinit(stage: InitStage) {
        if stage == InitStage::Scene {
            listener::stop_all();
        }
    }

    fn on_stage_init(stage: InitStage) {
        #[cfg(feature = "documented-names")]
        if stage == InitStage::Editor {
            gdext_private::help::register();
        }
        if stage == InitStage::Scene {
            class_ids::add_those_of_the_engine();
            class_ids::add::<DtlsListener>();
            class_ids::add::<DtlsServer>();
            class_ids::add::<PacketPeerDtls>();
            class_ids::add::<DtlsCrypto>();
            class_ids::add::<DtlsOptions>();
            peer::register_enums();
            options::register_enums();
            crypto::register_enums();
            peer::methods::register();
            server::methods::register();
            listener::methods::register();
            settings::register();
            logging::start();
            if !openssl_mimalloc::use_mimalloc() {
                log::warn!("OpenSSL was started too early; it takes more memory than it has to.");
            }
        }
    }
}
