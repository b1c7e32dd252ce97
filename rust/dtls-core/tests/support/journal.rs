//! What is logged on this thread at Warn or above: an error in the log that a stranger can write is
//! a stranger's way to fill a disk.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Journal;

thread_local! {
    static COMPLAINTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            COMPLAINTS.with_borrow_mut(|complaints| complaints.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Collects from here on.
pub(crate) fn open() {
    static OPENED: Once = Once::new();
    OPENED.call_once(|| {
        log::set_logger(&Journal).expect("no other logger in a test program");
        log::set_max_level(LevelFilter::Warn);
    });
}

/// What was logged on this thread so far.
pub(crate) fn complaints() -> Vec<String> {
    COMPLAINTS.with_borrow(Clone::clone)
}
