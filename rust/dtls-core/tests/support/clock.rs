//! Virtual time. OpenSSL's DTLS timer reads `gettimeofday`, and the validity of certificates is compared
//! with `time`; a test program that has its own drives both, and [`now`] is the same clock for the
//! sessions. On Windows they are `GetSystemTime`, which knows whole milliseconds only, and `_time64`.
//!
//! Each thread has its own time, which stands still until the test moves it. It starts at the real one.
//! [`jump`] and [`creep`] move it while OpenSSL looks at it, as the real one moves within a call.
#![allow(unsafe_code)]

use std::cell::Cell;
#[cfg(unix)]
use std::ffi::{c_int, c_void};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: LazyLock<(Instant, Duration)> = LazyLock::new(|| {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_epoch = since_epoch.expect("this machine's clock is set");
    // No fraction that differs from run to run and decides what is rounded away.
    (Instant::now(), Duration::from_secs(since_epoch.as_secs()))
});

/// By how much OpenSSL may be off, since it is told no fraction of this.
pub(crate) const RESOLUTION: Duration =
    if cfg!(windows) { Duration::from_millis(1) } else { Duration::from_micros(1) };

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static STEPPED: Cell<i64> = const { Cell::new(0) };
    /// How often OpenSSL has looked, and at which of these times the clock jumps.
    static READS: Cell<u32> = const { Cell::new(0) };
    static JUMP: Cell<Option<(u32, Duration)>> = const { Cell::new(None) };
    static CREEP: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static SEEDED: Cell<bool> = const { Cell::new(false) };
}

/// The time of this thread, as the sessions see it.
pub(crate) fn now() -> Instant {
    if !SEEDED.get() {
        seed(1);
    }
    START.0 + elapsed()
}

/// Lets the retransmission times of the sessions that this thread begins follow from `seed`, which is 1
/// without this.
pub(crate) fn seed(seed: u64) {
    SEEDED.set(true);
    dtls_core::seed_retransmissions(seed);
}

/// How far the test has moved the time of this thread.
pub(crate) fn elapsed() -> Duration {
    ELAPSED.get()
}

/// Lets time go by.
pub(crate) fn advance(by: Duration) {
    ELAPSED.set(elapsed() + by);
}

/// Lets time go by once, right before OpenSSL looks at the clock for the time `read`, counted from 0.
pub(crate) fn jump(read: u32, by: Duration) {
    JUMP.set(Some((READS.get() + read, by)));
}

/// Whether the jump is still to come, which it then does not.
pub(crate) fn cancel_jump() -> bool {
    JUMP.take().is_some()
}

/// Lets so much time go by whenever OpenSSL looks at the clock.
pub(crate) fn creep(by: Duration) {
    CREEP.set(by);
}

/// Sets the clock of the machine by so many seconds, as a user or NTP does it: OpenSSL's timer sees
/// that, `Instant` does not. Certificates stay valid.
pub(crate) fn set_wall_clock(by_seconds: i64) {
    STEPPED.set(STEPPED.get() + by_seconds);
}

/// The time since 1970, in seconds and microseconds.
fn since_1970() -> (i64, i64) {
    let since = START.1 + ELAPSED.try_with(Cell::get).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or_default(), since.subsec_micros().into())
}

/// The time since 1970 as OpenSSL's timer sees it.
fn look() -> (i64, i64) {
    // Not what is left to do when a thread ends.
    let _over = READS.try_with(|reads| {
        let read = reads.replace(reads.get() + 1);
        let jump = JUMP.get().filter(|(at, _)| *at == read);
        if let Some((_, by)) = jump {
            JUMP.set(None);
            advance(by);
        }
        advance(CREEP.get());
    });
    let (seconds, micros) = since_1970();
    (seconds + STEPPED.try_with(Cell::get).unwrap_or_default(), micros)
}

// SAFETY: the signature is that of POSIX. Nothing else of this program relies on the C library's.
#[cfg(unix)]
#[unsafe(no_mangle)]
extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut c_void) -> c_int {
    let (tv_sec, tv_usec) = look();
    // SAFETY: POSIX demands a pointer to a timeval; null is left alone.
    if let Some(time) = unsafe { time.as_mut() } {
        *time = libc::timeval { tv_sec, tv_usec };
    }
    0
}

// SAFETY: as above, and that of Windows.
#[cfg_attr(unix, unsafe(export_name = "time"))]
#[cfg_attr(windows, unsafe(export_name = "_time64"))]
extern "C" fn time(time: *mut libc::time_t) -> libc::time_t {
    let (seconds, _) = since_1970();
    // SAFETY: POSIX demands a pointer to a time_t, or null.
    if let Some(time) = unsafe { time.as_mut() } {
        *time = seconds;
    }
    seconds
}

/// What OpenSSL calls on Windows it reaches by the pointers that a linker would take from a DLL.
#[cfg(windows)]
mod imports {
    use std::ffi::{c_int, c_void};

    unsafe extern "system" {
        fn FileTimeToSystemTime(file_time: *const u64, system_time: *mut c_void) -> c_int;
    }

    // SAFETY: the type is that of Windows. Nothing else of this program calls it.
    #[unsafe(export_name = "__imp_GetSystemTime")]
    static GET_SYSTEM_TIME: unsafe extern "system" fn(*mut c_void) = get_system_time;

    // SAFETY: as above.
    #[unsafe(export_name = "__imp__time64")]
    static TIME: extern "C" fn(*mut libc::time_t) -> libc::time_t = super::time;

    unsafe extern "system" fn get_system_time(time: *mut c_void) {
        // In units of 100 ns.
        const FROM_1601_TO_1970: i64 = 116_444_736_000_000_000;
        let (seconds, micros) = super::look();
        let since_1601 = FROM_1601_TO_1970 + seconds * 10_000_000 + micros * 10;
        let since_1601 = u64::try_from(since_1601).unwrap_or_default();
        // SAFETY: the caller gives room for a SYSTEMTIME.
        unsafe { FileTimeToSystemTime(&raw const since_1601, time) };
    }
}
