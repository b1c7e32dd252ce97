//! Certificates for tests, made when they are needed and never committed.
//!
//! Tests in Rust build what they need in memory:
//!
//! ```
//! use test_pki::{Authority, Profile};
//!
//! let root = Authority::root("Example Root");
//! let server = root.intermediate("Example Intermediate").issue(Profile::localhost());
//! assert!(server.chain_pem().starts_with(&server.cert_pem));
//! ```
//!
//! Tests inside the engine read files: [`write_all`] writes a fixed set of them.
//!
//! A profile that cannot be encoded is a mistake in a test, so everything here panics rather than
//! return an error, except where files are written.

mod authority;
mod files;
mod profile;

pub use authority::{Authority, Issued, self_signed};
pub use files::{HOSTILE_COMMON_NAME, HOSTILE_DNS_NAME, write_all};
pub use profile::{Key, NameLimits, Profile, Usage, Validity};
