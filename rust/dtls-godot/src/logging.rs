//! `log` to the engine's console.

use godot::builtin::{GString, Variant, VariantType, vdict};
use godot::classes::ProjectSettings;
use godot::global::{godot_error, godot_warn, print_verbose};
use godot::meta::ToGodot;
use godot::obj::{EngineEnum, Singleton};
use godot::register::info::PropertyHint;
use log::{LevelFilter, Log, Metadata, Record};

/// The project setting that says how much is logged.
const SETTING: &str = "dtls/logging/level";
/// Its choices. They are the names that `LevelFilter` parses.
const LEVELS: &str = "Off,Error,Warn,Info,Debug,Trace";
const DEFAULT: &str = "Info";

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

/// Registers the project setting and begins to log at its level.
pub(crate) fn start() {
    let mut settings = ProjectSettings::singleton();
    if !settings.has_setting(SETTING) {
        settings.set_setting(SETTING, &DEFAULT.to_variant());
    }
    settings.set_initial_value(SETTING, &DEFAULT.to_variant());
    let info = vdict! {
        "name" => SETTING,
        "type" => VariantType::STRING.ord(),
        "hint" => PropertyHint::ENUM.ord(),
        "hint_string" => LEVELS,
    };
    settings.add_property_info(&info.upcast_any_dictionary());
    let chosen = settings.get_setting(SETTING);
    let level = parse(&chosen);
    log::set_max_level(level.unwrap_or(LevelFilter::Info));
    // Fails only if it is set already, by this very function.
    let _already_set = log::set_logger(&Console);
    if level.is_none() {
        log::warn!("The project setting {SETTING} is {chosen}; it has to be one of {LEVELS}.");
    }
}

fn parse(setting: &Variant) -> Option<LevelFilter> {
    setting.try_to::<GString>().ok()?.to_string().parse().ok()
}
