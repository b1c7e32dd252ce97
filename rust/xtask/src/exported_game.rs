//! The package in somebody's hands: a game of a few lines, in a project that has nothing but the
//! package, is exported and played. Debian's templates run with the libraries that came with the engine;
//! nothing else of this machine is there for the game.
//!
//! 1. the archive is unpacked into an empty project, beside the game and its certificates;
//! 2. the engine exports it, as players get it and for debugging, with Debian's export templates;
//! 3. the exported program runs as server and as client, in an empty directory and an empty
//!    environment, and both have to end by themselves once they have talked.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::engine::Engine;
use crate::output::Counts;
use crate::package::Kind;
use crate::process::{self, Line, Run, Running, Stream, describe};
use crate::{package, workspace};

/// How long an export may take, and an exchange.
const LIMIT: Duration = Duration::from_secs(120);

/// The game's files in the repository, and what of the test's certificates is with them: those of a
/// server whose chain has an intermediate, and the root.
const GAME: &str = "godot_project/tests/exported";
const CERTIFICATES: [(&str, &str); 3] =
    [("chained.key", "server.key"), ("chained.crt", "server.crt"), ("ca.crt", "ca.crt")];

/// A release keeps what it prints until it ends, unless it is told not to.
const PROJECT: &str = "config_version=5\n\n[application]\n\nconfig/name=\"A Game\"\n\
                       run/main_scene=\"res://game.tscn\"\nrun/flush_stdout_on_print=true\n\
                       config/features=PackedStringArray(\"4.3\")\n";
const PRESET: &str = "Linux";

/// What the client would log its keys into.
const KEYS: &str = "keys.log";

/// For whom a game is exported, and what runs it.
pub(crate) struct Player {
    /// As the engine calls it.
    pub(crate) architecture: &'static str,
    /// The folder of the export templates, unless the engine has its own.
    pub(crate) templates: Option<PathBuf>,
    /// Runs the exported program.
    pub(crate) command: Box<dyn Fn(&Path) -> Command>,
}

/// Exports the game with the package in `archive`, and plays it: one test for each kind.
pub(crate) fn check(engine: &Engine, archive: &Path) -> Result<Counts> {
    let player = Player {
        architecture: "x86_64",
        templates: engine.templates()?,
        command: Box::new(|program| Command::new(program)),
    };
    check_on(&player, engine, archive)
}

/// The same for another player than this machine.
pub(crate) fn check_on(player: &Player, engine: &Engine, archive: &Path) -> Result<Counts> {
    let all = workspace::target_dir()?.join("exported-game");
    fs::create_dir_all(&all).with_context(|| format!("cannot create {}", all.display()))?;
    let work = tempfile::Builder::new().prefix("run-").tempdir_in(&all)?;
    let project = work.path().join("project");
    make_project(&project, player, archive)?;
    import(engine, &project)?;

    let mut counts = Counts::default();
    for kind in Kind::ALL {
        let outcome = export(player, engine, &project, &work.path().join(kind.name()), kind)
            .and_then(|program| play(player, &program, &work.path().join("elsewhere"), kind));
        if let Err(error) = &outcome {
            println!("   The game that was exported for {} failed: {error:#}", kind.name());
        }
        counts += Counts::check(outcome.is_ok());
    }
    Ok(counts)
}

fn make_project(project: &Path, player: &Player, archive: &Path) -> Result<()> {
    package::unpack(archive, project)?;
    for name in ["game.gd", "game.tscn"] {
        fs::copy(workspace::root().join(GAME).join(name), project.join(name))?;
    }
    let pki = tempfile::tempdir()?;
    test_pki::write_all(pki.path()).context("the certificates cannot be written")?;
    fs::create_dir(project.join("certs"))?;
    for (from, to) in CERTIFICATES {
        fs::copy(pki.path().join(from), project.join("certs").join(to))?;
    }
    fs::write(project.join("project.godot"), PROJECT)?;
    let mut preset = format!(
        "[preset.0]\n\nname=\"{PRESET}\"\nplatform=\"Linux\"\nrunnable=true\n\
         export_filter=\"all_resources\"\ninclude_filter=\"\"\nexclude_filter=\"\"\nexport_path=\"\"\n\n[preset.0.options]\n\n\
         binary_format/embed_pck=false\nbinary_format/architecture=\"{}\"\n",
        player.architecture,
    );
    if let Some(folder) = &player.templates {
        for kind in Kind::ALL.map(Kind::name) {
            let program = folder.join(format!("godot-template-{kind}"));
            preset += &format!("custom_template/{kind}=\"{}\"\n", program.display());
        }
    }
    fs::write(project.join("export_presets.cfg"), preset)?;
    Ok(())
}

/// Has the engine look at the project once, as a developer's editor has done long before an export.
///
/// Godot 4.6 imports everything and then crashes as it ends, where there is an extension that it has not
/// seen yet (godot#111048). What the export finds afterwards is what counts.
fn import(engine: &Engine, project: &Path) -> Result<()> {
    let mut command = engine.headless("export")?;
    command.arg("--path").arg(project).arg("--import");
    let how = Run { label: Some("Importing the project"), live: false, limit: Some(LIMIT) };
    let finished = process::run(&mut command, how)?;
    let status = finished.status.context("the import did not come to an end")?;
    if !status.success() {
        println!("   The first import of the project {}, see godot#111048.", describe(status));
    }
    let list = project.join(".godot/extension_list.cfg");
    ensure!(list.is_file(), "the import did not find the addon:\n{}", finished.text());
    Ok(())
}

fn export(
    player: &Player,
    engine: &Engine,
    project: &Path,
    to: &Path,
    kind: Kind,
) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    let program = to.join(format!("game.{}", player.architecture));
    let mut command = engine.headless("export")?;
    command.arg("--path").arg(project);
    command.args([&format!("--export-{}", kind.name()), PRESET]).arg(&program);
    let how = Run { label: Some("Exporting the game"), live: false, limit: Some(LIMIT) };
    let finished = process::run(&mut command, how)?;
    let complaints = complaints(&finished.lines);
    if !finished.success() || !complaints.is_empty() || !program.is_file() {
        bail!("the export said:\n{}", finished.text().trim_end());
    }
    Ok(program)
}

/// Has the exported program talk to itself.
fn play(player: &Player, program: &Path, elsewhere: &Path, kind: Kind) -> Result<()> {
    let port = free_port()?.to_string();
    let command = |side: &str| -> Result<Command> {
        let directory = elsewhere.join(kind.name()).join(side);
        fs::create_dir_all(&directory)?;
        let mut command = (player.command)(program);
        let keys = directory.join(KEYS);
        command.env_clear().current_dir(directory);
        command.args(["--headless", "--", side, &port]).arg(keys);
        Ok(command)
    };
    let (sender, lines) = channel();
    let started = Instant::now();
    let mut server = Running::start(&mut command("server")?, (), &sender)?;
    drop(sender);
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &Line<()>| line.text == "Listening: OK") {
        let left = LIMIT.saturating_sub(started.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) => seen.push(line),
            Err(_) => bail!("the server does not listen; it said:\n{}", text(&seen)),
        }
    }
    let how = Run { label: Some("Playing the exported game"), live: false, limit: Some(LIMIT) };
    let client = process::run(&mut command("client")?, how)?;
    let status = loop {
        if let Some(status) = server.exited()? {
            break status;
        }
        if started.elapsed() >= LIMIT {
            bail!("the server did not notice that its client has gone; it said:\n{}", text(&seen));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    seen.extend(lines.iter());

    let (client_lines, server_lines) = (text(&client.lines), text(&seen));
    let expect = |said: &str, line: &str| -> Result<()> {
        ensure!(said.lines().any(|it| it == line), "nobody said \"{line}\", but:\n{said}");
        Ok(())
    };
    ensure!(client.success(), "the client failed; it said:\n{client_lines}");
    ensure!(status.success(), "the server {}; it said:\n{server_lines}", describe(status));
    expect(&server_lines, "Received: Hello from the client")?;
    expect(&client_lines, "Received: Hello from the server")?;
    ensure!(complaints(&seen).is_empty(), "the server complained:\n{server_lines}");
    let keys = elsewhere.join(kind.name()).join("client").join(KEYS);
    match kind {
        // Whoever has a release cannot have it write its keys down, and is told why.
        Kind::Release => {
            expect(&client_lines, "No key log")?;
            ensure!(!keys.exists(), "a release has written its keys");
            let complaints = complaints(&client.lines);
            let of_the_log = |line: &&Line<()>| line.text.contains("key_log_path");
            ensure!(complaints.iter().any(of_the_log), "nobody said why:\n{client_lines}");
        }
        Kind::Debug => {
            ensure!(keys.exists(), "there is no key log");
            ensure!(complaints(&client.lines).is_empty(), "the client complained:\n{client_lines}");
        }
    }
    Ok(())
}

/// What was written to the error output, but for what Debian's templates say first on a machine that has
/// no fonts set up.
fn complaints(lines: &[Line<()>]) -> Vec<&Line<()>> {
    const NO_FONTS: &str = "Fontconfig error: Cannot load default config file";
    lines
        .iter()
        .filter(|line| line.stream == Stream::Err && !line.text.starts_with(NO_FONTS))
        .collect()
}

fn text(lines: &[Line<()>]) -> String {
    lines.iter().map(|line| line.text.clone() + "\n").collect()
}

/// A port of the loopback interface that nobody has right now.
fn free_port() -> Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("there is no free port")?;
    Ok(socket.local_addr()?.port())
}
