//! Running one test of this program again in a process of its own.
#![allow(unsafe_code)]

use std::process::{Command, Output, Stdio};

/// Set in the child, to what it is to do.
const TASK: &str = "DTLS_CORE_TEST_TASK";

/// What this process is to do, if it is a child.
pub(crate) fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// Runs the test `name` of this program with `task` and the environment variables `variables`, with
/// nothing to read and without a terminal.
pub(crate) fn run(name: &str, task: &str, variables: &[(&str, &str)]) -> Output {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).envs(variables.iter().copied()).stdin(Stdio::null());
    without_terminal(&mut command);
    command.output().expect("this program can be run again")
}

#[cfg(unix)]
fn without_terminal(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: setsid is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
}

#[cfg(windows)]
fn without_terminal(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 8;
    command.creation_flags(DETACHED_PROCESS);
}

/// Everything the child said.
pub(crate) fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}\n{out}{err}", output.status)
}
