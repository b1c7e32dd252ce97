//! What strangers may send, and what developers may configure, as functions of a few bytes.
//!
//! Each of [`TARGETS`] takes any bytes. Two things feed them:
//!
//! - libFuzzer, which looks for bytes that lead to new code (`cargo xtask fuzz`). The programs in
//!   `fuzz_targets/` have to be built for that with the feature `libfuzzer`, and OpenSSL with clang.
//! - `tests/replay.rs`, with what is in `corpus/`, as a test like any other and under memcheck.
//!
//! A run depends on its bytes alone. Time is virtual, OpenSSL's random numbers are made in
//! `chance.rs`, and the certificates from them.

mod chance;
#[expect(dead_code, reason = "the tests of the core need more of it")]
#[path = "../../dtls-core/tests/support/client.rs"]
mod client;
#[expect(dead_code, reason = "the tests of the core need more of it")]
#[path = "../../dtls-core/tests/support/clock.rs"]
mod clock;
mod config;
mod connection;
mod endpoint;
mod input;
mod listener;
mod pki;
mod records;
mod script;
mod world;

pub use config::config;
pub use connection::{established, handshake};
pub use endpoint::endpoint;
pub use listener::listener;

/// What takes an input, and panics when something happens that must not.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its program and of its directory in `corpus/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("config", config),
    ("endpoint", endpoint),
    ("established", established),
    ("handshake", handshake),
    ("listener", listener),
];

/// What a run starts with.
fn begin() {
    pki::Pki::get();
    chance::begin(1);
}
