//! What openssl-sys asks for an OpenSSL when its feature `vendored` is on, in place of the crate of this
//! name (`[patch.crates-io]` in the workspace's manifest).
//!
//! openssl-sys takes the versions 300.x of that crate, whose OpenSSL 3.6 gets no more fixes. The OpenSSL of
//! this project comes out of the versions 400.x, built by `cargo xtask` and kept in the target folder, so
//! that development, tests and packages have the same one. It is not built here: that takes a minute, and
//! perl and make, and would happen again whenever cargo runs this build script.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// The crate with the source, `cargo xtask`'s to build.
pub use source;

/// The version of that crate, such as `400.0.2+4.0.3`.
pub fn version() -> &'static str {
    source::version()
}

/// The version of OpenSSL itself, such as `4.0.3`.
pub fn openssl_version() -> &'static str {
    version().split('+').next_back().unwrap_or_default()
}

/// The folder, within a target folder, of everything that `cargo xtask` has built of OpenSSL.
pub const FOLDER: &str = "openssl";

/// The file in that folder which says where the OpenSSL for `triple` is.
pub fn pointer(triple: &str) -> String {
    format!("{triple}-{}.txt", version())
}

/// The builder of the replaced crate, as far as openssl-sys uses it.
#[derive(Debug, Default)]
pub struct Build;

/// Where headers and libraries are.
#[derive(Debug)]
pub struct Artifacts {
    include_dir: PathBuf,
    lib_dir: PathBuf,
}

impl Build {
    /// A builder.
    pub fn new() -> Self {
        Self
    }

    /// Does nothing: OpenSSL's own files are not read.
    pub fn openssl_dir(&mut self, _: impl AsRef<Path>) -> &mut Self {
        self
    }

    /// The OpenSSL for the target of the build script that calls this. If it is not built yet, that script
    /// ends, with a sentence about what to run.
    ///
    /// # Panics
    /// When cargo has not called it.
    pub fn build(&mut self) -> Artifacts {
        let [out, triple] = ["OUT_DIR", "TARGET"]
            .map(|name| env::var(name).expect("cargo sets it for every build script"));
        match find(Path::new(&out), &triple) {
            Some((pointer, dir)) => {
                println!("cargo:rerun-if-changed={}", pointer.display());
                Artifacts { include_dir: dir.join("include"), lib_dir: dir.join("lib") }
            }
            None => {
                // A panic would bury it under a backtrace.
                eprintln!(
                    "OpenSSL {} is not built yet for {triple}. Please run `cargo xtask build` once, which \
                     builds it (a minute or two) and the addon; after that, cargo finds it by itself.",
                    openssl_version(),
                );
                process::exit(1)
            }
        }
    }
}

impl Artifacts {
    /// Where the headers are.
    pub fn include_dir(&self) -> &Path {
        &self.include_dir
    }

    /// Where the libraries are.
    pub fn lib_dir(&self) -> &Path {
        &self.lib_dir
    }
}

/// The file that names the OpenSSL for `triple`, and what it names, from a folder within the target folder.
fn find(within: &Path, triple: &str) -> Option<(PathBuf, PathBuf)> {
    within.ancestors().find_map(|dir| {
        let file = dir.join(FOLDER).join(pointer(triple));
        let built = PathBuf::from(fs::read_to_string(&file).ok()?.trim_end());
        built.is_dir().then_some((file, built))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openssl_is_found_from_within_the_target_folder_once_it_is_there() {
        let target = env::temp_dir().join(format!("openssl-src-{}", process::id()));
        let (out, built) = (target.join("debug/build/x/out"), target.join("openssl/y"));
        fs::create_dir_all(&out).expect("a folder");
        assert_eq!(find(&out, "a-b-c"), None);
        fs::create_dir_all(&built).expect("a folder");
        let file = target.join(FOLDER).join(pointer("a-b-c"));
        fs::write(&file, format!("{}\n", built.display())).expect("a file");
        assert_eq!(find(&out, "a-b-c"), Some((file, built.clone())));
        assert_eq!(find(&out, "x-y-z"), None);
        // A file that is left behind leads nowhere.
        fs::remove_dir_all(&built).expect("it is there");
        assert_eq!(find(&out, "a-b-c"), None);
        fs::remove_dir_all(&target).expect("it is there");
    }
}
