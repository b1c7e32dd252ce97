//! A screen that nobody sees: Xvfb.

use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::{Running, Stream, on_path};

/// How long Xvfb may take to open its display.
const LIMIT: Duration = Duration::from_secs(20);

/// A display of our own. It ends with this value.
pub(crate) struct Display {
    name: String,
    _server: Running,
}

impl Display {
    /// Opens a display with one screen of this size in pixels.
    pub(crate) fn open(width: u32, height: u32) -> Result<Self> {
        if !on_path("Xvfb") {
            debian::install(&["xvfb"]).context("a window of the engine needs a display")?;
        }
        let (sender, lines) = channel();
        let mut command = Command::new("Xvfb");
        // It looks for a free number by itself, and says on its output which one that is.
        command.args(["-displayfd", "1", "-nolisten", "tcp"]);
        command.args(["-screen", "0", &format!("{width}x{height}x24")]);
        let server = Running::start(&mut command, (), &sender)?;
        drop(sender);

        let deadline = Instant::now() + LIMIT;
        let mut said = String::new();
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            let number = line.text.trim();
            if line.stream == Stream::Out && number.parse::<u32>().is_ok() {
                return Ok(Self { name: format!(":{number}"), _server: server });
            }
            said += &format!("\n{number}");
        }
        bail!("Xvfb has opened no display:{said}");
    }

    /// As DISPLAY names it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
