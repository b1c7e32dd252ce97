//! gdformat and gdlint, for the project's GDScript.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output::Counts;
use crate::process::{self, succeed_quietly};
use crate::{cache, debian, workspace};

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
        let dir = cache::dir()?.join(format!("gdtoolkit-{VERSION}"));
        cache::complete(&dir, || install(&dir))?;
        Ok(Self { gdformat: dir.join("bin/gdformat"), gdlint: dir.join("bin/gdlint") })
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

fn install(dir: &Path) -> Result<()> {
    let has_venv = || {
        let mut command = Command::new("python3");
        let import = command.args(["-c", "import ensurepip, venv"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    if !has_venv() {
        debian::install(&["python3-venv"])
            .context("gdformat and gdlint need Python with its module venv")?;
    }
    let label = format!("Installing gdtoolkit {VERSION} (once)");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(dir);
    succeed_quietly(&mut venv, &label)?;
    let mut pip = Command::new(dir.join("bin/pip"));
    let package = format!("gdtoolkit=={VERSION}");
    pip.args(["install", "--quiet", &package]);
    succeed_quietly(&mut pip, &label)?;
    if !has_our_version(&dir.join("bin/gdformat")) {
        bail!("gdtoolkit was installed, but its gdformat does not run");
    }
    Ok(())
}
