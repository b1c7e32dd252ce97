//! The project's commands. `cargo xtask help` lists them.

mod arm64;
mod audit;
mod bench;
mod build;
mod cargo;
mod display;
mod editor;
mod engine;
mod engine_api;
mod exported_game;
mod fuzz;
mod memcheck;
mod openssl;
mod output;
mod package;
mod packages;
mod process;
mod screenshots;
mod stage;
mod standard_library;
mod test;
mod tidy;
mod windows;
mod wine;
mod workspace;
mod zig;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of godot-dtls")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the addon and stages it into godot_project/addons/dtls/
    Build {
        /// Build with optimisation
        #[arg(long)]
        release: bool,
    },
    /// Builds the addon and puts it into another project's addons/dtls/
    Stage {
        /// The directory that holds the other project's project.godot
        dir: PathBuf,
        /// Build with optimisation
        #[arg(long)]
        release: bool,
        /// Features of dtls-godot, such as documented-names
        #[arg(long, default_value = "", hide_default_value = true)]
        features: String,
    },
    /// Prints the command of the engine in use, installing it if need be; or runs it
    Godot {
        /// Arguments for the engine, after `--`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Runs the test of the demo's server and client, two headless engines
    Demo {
        /// Build with optimisation
        #[arg(long)]
        release: bool,
    },
    /// Runs every check and every test
    Test {
        /// Only the tests inside the engine; with FILTER, only those whose name contains it
        #[arg(long, value_name = "FILTER", num_args = 0..=1)]
        engine: Option<Option<String>>,
        /// Run the tests over bad links with 10,000 seeds each in place of 200, and have 500 clients
        /// come and go in place of 40
        #[arg(long)]
        soak: bool,
        /// With --engine, build with optimisation
        #[arg(long, requires = "engine")]
        release: bool,
    },
    /// Looks for input that breaks the core, with libFuzzer
    Fuzz {
        /// What gets the input; every target one after the other without it
        target: Option<String>,
        /// How long each target is run
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        minutes: u64,
    },
    /// Measures the engine's DTLS and ours on the same work, and fails if a target is missed
    Bench(bench::Options),
    /// Packs what a user downloads: target/dist/godot-dtls-VERSION.zip
    Package(package::Options),
    /// Builds OpenSSL for cargo to link, and says which it is and until when it gets fixes
    Openssl {
        /// Fail once it gets none any more
        #[arg(long)]
        supported: bool,
    },
    /// Writes anew the part of the engine's API that the addon is built from
    Api,
    /// Takes the pictures in docs/images anew
    Screenshots,
    /// Packs the addon for Linux, and runs what it has for arm64 in an emulator
    Arm64 {
        /// Of the tests inside the engine, only those whose name contains it
        #[arg(value_name = "FILTER")]
        filter: Option<String>,
    },
    /// Packs the addon for Windows, and runs the tests of it in wine, an engine's too if GODOT_WINDOWS names one
    Windows {
        /// The suites that are run inside the engine
        #[arg(default_value = windows::SUITES)]
        suites: String,
    },
    /// Runs the checks that need more tools
    Audit {
        /// Only those whose title contains this
        step: Option<String>,
    },
    /// Checks the repository's own rules
    Tidy,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build { release } => build::run(release),
        Command::Stage { dir, release, features } => stage::run(&dir, release, &features),
        Command::Godot { args } => engine::run(&args),
        Command::Demo { release } => test::run_engine(Some("demo/"), release, false),
        Command::Test { engine: None, soak, .. } => test::run_all(soak),
        Command::Test { engine: Some(filter), soak, release } => {
            test::run_engine(filter.as_deref(), release, soak)
        }
        Command::Fuzz { target, minutes } => fuzz::run(target.as_deref(), minutes),
        Command::Bench(options) => bench::run(options),
        Command::Package(options) => package::run(&options),
        Command::Openssl { supported } => openssl::run(supported),
        Command::Api => engine_api::run(),
        Command::Screenshots => screenshots::run(),
        Command::Audit { step } => audit::run(step),
        Command::Arm64 { filter } => arm64::run(filter.as_deref()),
        Command::Windows { suites } => windows::run(&suites),
        Command::Tidy => tidy::run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
