//! `log` to the engine's console.

use std::cell::{Cell, RefCell};

use godot::builtin::GString;
use godot::global::{PrintLevel, PrintRecord, PrintSource, print_custom, print_verbose};
use godot::meta::ToGodot;
use log::{LevelFilter, Log, Metadata, Record};

use super::settings;

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dtls")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (level, text) = (record.level(), record.args().to_string());
        if HOLDERS.get() > 0 {
            LATER.with_borrow_mut(|later| later.push((level, text)));
        } else {
            show(level, &text);
        }
    }

    fn flush(&self) {}
}

/// What the console shows as the source of an error. A line of this code would look as if it were at fault;
/// the engine itself names the script that has caused the error, with the calls that led there.
const SOURCE: PrintSource<'static> =
    PrintSource { function: "DTLS", file: "addons/dtls/README.md", line: 1 };

fn show(level: log::Level, text: &str) {
    let level = match level {
        log::Level::Error => PrintLevel::Error,
        log::Level::Warn => PrintLevel::Warn,
        // The engine shows these with --verbose, or with the project's verbose output switched on.
        _ => return print_verbose(&[GString::from(&format!("DTLS: {text}")).to_variant()]),
    };
    print_custom(PrintRecord {
        level,
        message: text,
        rationale: None,
        source: Some(SOURCE),
        editor_notify: false,
    });
}

thread_local! {
    /// How many [`Holder`]s this thread has.
    static HOLDERS: Cell<u32> = const { Cell::new(0) };
    /// What is to be shown once it has no holder any more.
    static LATER: RefCell<Vec<(log::Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// As long as there is one, nothing that this thread logs is shown: the thread holds an object, and a script
/// that listens to the console may call that very object.
pub(crate) struct Holder(());

impl Holder {
    pub(crate) fn new() -> Self {
        HOLDERS.set(HOLDERS.get() + 1);
        Self(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        HOLDERS.set(HOLDERS.get() - 1);
        if HOLDERS.get() > 0 {
            return;
        }
        for (level, text) in LATER.take() {
            show(level, &text);
        }
    }
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
