//! The addon's project settings.

use std::time::Duration;

use dtls_core::{ConfigError, Limits};
use godot::builtin::{GString, Variant, VariantType, vdict};
use godot::classes::ProjectSettings;
use godot::meta::ToGodot;
use godot::obj::{EngineEnum, Singleton};
use godot::register::info::PropertyHint;
use log::LevelFilter;

/// How much is logged.
pub(crate) const LEVEL: &str = "dtls/logging/level";
/// Its choices. They are the names that `LevelFilter` parses.
pub(crate) const LEVELS: &str = "Off,Error,Warn,Info,Debug,Trace";
const DEFAULT_LEVEL: &str = "Info";

/// Largest datagram of a handshake, in bytes of UDP payload.
pub(crate) const MTU: &str = "dtls/network/mtu";
const DEFAULT_MTU: i64 = 1200;

/// Seconds of silence after which a connection is over; 0 for never.
pub(crate) const IDLE_TIMEOUT: &str = "dtls/network/idle_timeout";
const DEFAULT_IDLE_TIMEOUT: f64 = 0.0;

/// Whether an exported release build may write a key log.
pub(crate) const ALLOW_KEY_LOG: &str = "dtls/debug/allow_key_log";

/// The engine's own setting: a file with the certificates that a project trusts.
pub(crate) const BUNDLE: &str = "network/tls/certificate_bundle_override";

/// Why a project setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingError {
    #[error("the project setting {name} cannot be used: {0}", name = MTU)]
    BadMtu(ConfigError),
    #[error(
        "the project setting {name} cannot be used: {0} is not a number of seconds; it can be 0 for \
         never, or at least 0.1",
        name = IDLE_TIMEOUT
    )]
    BadIdleTimeout(String),
}

/// Adds the settings to the project and to the editor.
pub(crate) fn register() {
    let level = &DEFAULT_LEVEL.to_variant();
    add(LEVEL, level, VariantType::STRING, PropertyHint::ENUM, LEVELS);
    let (least, most) = (Limits::MTU.start(), Limits::MTU.end());
    let range = format!("{least},{most},1,suffix:bytes");
    add(MTU, &DEFAULT_MTU.to_variant(), VariantType::INT, PropertyHint::RANGE, &range);
    let never = &DEFAULT_IDLE_TIMEOUT.to_variant();
    let range = "0,3600,0.1,or_greater,suffix:s";
    add(IDLE_TIMEOUT, never, VariantType::FLOAT, PropertyHint::RANGE, range);
    add(ALLOW_KEY_LOG, &false.to_variant(), VariantType::BOOL, PropertyHint::NONE, "");
}

fn add(name: &str, default: &Variant, kind: VariantType, hint: PropertyHint, choices: &str) {
    let mut settings = ProjectSettings::singleton();
    if !settings.has_setting(name) {
        settings.set_setting(name, default);
    }
    settings.set_initial_value(name, default);
    let info = vdict! {
        "name" => name,
        "type" => kind.ord(),
        "hint" => hint.ord(),
        "hint_string" => choices,
    };
    settings.add_property_info(&info.upcast_any_dictionary());
}

/// The level that is set, or the value that is no level.
pub(crate) fn level() -> Result<LevelFilter, Variant> {
    let chosen = ProjectSettings::singleton().get_setting(LEVEL);
    let level = chosen.try_to::<GString>().ok().and_then(|level| level.to_string().parse().ok());
    level.ok_or(chosen)
}

/// The limits that a connection has in this project.
///
/// # Errors
/// When a setting is out of range.
pub(crate) fn limits() -> Result<Limits, SettingError> {
    let settings = ProjectSettings::singleton();
    let mtu = settings.get_setting(MTU).try_to::<i64>().unwrap_or_default();
    let limits = Limits::default().with_mtu(u32::try_from(mtu).unwrap_or_default());
    let idle_timeout = settings.get_setting(IDLE_TIMEOUT);
    // A whole number is as good; what is no number is an error, and not never.
    let seconds = idle_timeout.try_to_relaxed::<f64>().unwrap_or(f64::NAN);
    let bad = || SettingError::BadIdleTimeout(idle_timeout.to_string());
    let after = Duration::try_from_secs_f64(seconds).map_err(|_| bad())?;
    let limits = limits.map_err(SettingError::BadMtu)?;
    limits.with_idle_timeout((!after.is_zero()).then_some(after)).map_err(|_| bad())
}

/// Whether an exported release build may write a key log.
pub(crate) fn allows_key_log() -> bool {
    ProjectSettings::singleton().get_setting(ALLOW_KEY_LOG).try_to().unwrap_or(false)
}
