//! gdformat and gdlint, for the project's GDScript.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::output::Counts;
use crate::{process, python, workspace};

/// What is installed. Any release of the same minor version is good enough on PATH.
const VERSION: &str = "4.5.0";
const MINOR: &str = "4.5.";

/// Whether the project's scripts are formatted and lint clean: one check.
pub(crate) fn check() -> Result<Counts> {
    let scripts = scripts()?;
    if scripts.is_empty() {
        bail!("there is no GDScript");
    }
    let tools = Tools::find()?;
    let mut clean = true;
    for (program, args) in [(&tools.gdformat, &["--check"][..]), (&tools.gdlint, &[])] {
        let mut command = Command::new(program);
        command.current_dir(workspace::root()).args(args).args(&scripts);
        let finished = process::run_quietly(&mut command, "Checking the GDScript")?;
        if !finished.success() {
            println!("{}", finished.text().trim_end());
        }
        clean &= finished.success();
    }
    Ok(Counts::check(clean))
}

fn scripts() -> Result<Vec<String>> {
    let mut files = workspace::files()?;
    files.retain(|file| {
        let ours = ["godot_project/", "addons/"].iter().any(|folder| file.starts_with(folder));
        ours && !file.starts_with("godot_project/addons/") && file.ends_with(".gd")
    });
    Ok(files)
}

struct Tools {
    gdformat: PathBuf,
    gdlint: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        let on_path = Self { gdformat: "gdformat".into(), gdlint: "gdlint".into() };
        if has_our_version(&on_path.gdformat) && has_our_version(&on_path.gdlint) {
            return Ok(on_path);
        }
        let package = format!("gdtoolkit=={VERSION}");
        let installed = python::environment("gdtoolkit", &[&package])?;
        let tools =
            Self { gdformat: installed.program("gdformat"), gdlint: installed.program("gdlint") };
        if !has_our_version(&tools.gdformat) {
            bail!("gdtoolkit was installed, but its gdformat does not run");
        }
        Ok(tools)
    }
}

fn has_our_version(program: &Path) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return false;
    };
    // `gdformat 4.5.0`
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    words.any(|word| word.starts_with(MINOR))
}
