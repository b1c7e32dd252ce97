//! A screen that nobody sees: Xvfb.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::packages;

/// A display of our own. It ends with this value.
pub(crate) struct Display(Child, String);

impl Display {
    /// Opens a display with one screen of this size in pixels.
    pub(crate) fn open(width: u32, height: u32) -> Result<Self> {
        packages::install_program("Xvfb", "xvfb")?;
        // It looks for a free number by itself, and says on its output which one that is.
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"]);
        command.arg(format!("{width}x{height}x24")).stdout(Stdio::piped());
        let mut display = Self(command.spawn().context("Xvfb cannot be run")?, String::new());
        let output = display.0.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut display.1)?;
        let number: u32 = display.1.trim().parse().context("Xvfb has opened no display")?;
        display.1 = format!(":{number}");
        Ok(display)
    }

    /// As DISPLAY names it.
    pub(crate) fn name(&self) -> &str {
        &self.1
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
