//! `log` to the engine's console.

use godot::builtin::GString;
use godot::global::{godot_error, godot_warn, print_verbose};
use godot::meta::ToGodot;
use log::{LevelFilter, Log, Metadata, Record};

use crate::settings;

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dtls")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            log::Level::Error => godot_error!("{}", record.args()),
            log::Level::Warn => godot_warn!("{}", record.args()),
            // The engine shows these with --verbose, or with the project's verbose output switched on.
            _ => print_verbose(&[GString::from(&format!("DTLS: {}", record.args())).to_variant()]),
        }
    }

    fn flush(&self) {}
}

/// Begins to log, at the level of the project setting.
pub(crate) fn start() {
    let level = settings::level();
    log::set_max_level(*level.as_ref().unwrap_or(&LevelFilter::Info));
    // Fails only if it is set already, by this very function.
    let _already_set = log::set_logger(&Console);
    if let Err(chosen) = level {
        let (name, levels) = (settings::LEVEL, settings::LEVELS);
        log::warn!("The project setting {name} is {chosen}; it has to be one of {levels}.");
    }
}
