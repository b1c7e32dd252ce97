//! The user's cache directory, for tools that are fetched once.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `godot-dtls` in the user's cache directory, created if it is missing.
pub(crate) fn dir() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("there is no cache directory: neither XDG_CACHE_HOME nor HOME is set")?;
    let dir = base.join("godot-dtls");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Something in the cache that takes several steps to make: `make` runs unless an earlier run
/// came to its end. Processes that want the same thing take turns.
pub(crate) fn complete(dir: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let marker = dir.join(".complete");
    if marker.exists() {
        return Ok(());
    }
    let lock = dir.with_added_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
    lock.lock().context("cannot wait for another process")?;
    if marker.exists() {
        return Ok(());
    }
    if dir.exists() {
        fs::remove_dir_all(dir)
            .with_context(|| format!("cannot remove what is left in {}", dir.display()))?;
    }
    make()?;
    File::create(&marker).with_context(|| format!("cannot create {}", marker.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn made_once_and_again_only_after_a_failure() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let dir = base.path().join("thing-1.2");
        complete(&dir, || {
            fs::create_dir(&dir)?;
            bail!("interrupted")
        })
        .expect_err("the first attempt fails");
        complete(&dir, || Ok(fs::create_dir(&dir)?)).expect("what was left is cleared away");
        complete(&dir, || panic!("it is complete")).expect("nothing is left to do");
    }
}
