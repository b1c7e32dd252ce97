//! The tests of the crates that are shipped, and what the fuzzers have found worth keeping, under valgrind's memcheck: no
//! error and no memory that is lost for good, without a suppression.

use std::process::Command;

use anyhow::Result;
use rayon::prelude::*;

use crate::output::Counts;
use crate::{cargo, packages, process, test, workspace};

/// A test program on each core, since valgrind runs one thread of a program at a time. Each counts as one.
pub(crate) fn run() -> Result<Counts> {
    packages::install_program("valgrind", "valgrind")?;
    let mut programs = test::build_everything()?;
    programs.retain(test::is_of_product);
    let results = programs.par_iter().with_max_len(1).map(|(_, program)| check(program));
    let mut counts = Counts::default();
    for passed in results.collect::<Result<Vec<bool>>>()? {
        counts += Counts::check(passed);
    }
    Ok(counts)
}

fn check(program: &str) -> Result<bool> {
    let mut command = Command::new("valgrind");
    command
        .args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .arg(program)
        // What a test does over and over again is the same code each time.
        .env("DTLS_SEED", "1")
        .current_dir(workspace::root());
    cargo::without_run_variables(&mut command);
    let name = program.rsplit('/').next().unwrap_or(program);
    let finished = process::run(&mut command, &format!("Checking {name}"), None)?;
    if !finished.success() {
        println!("{}", finished.text().trim_end());
    }
    Ok(finished.success())
}
