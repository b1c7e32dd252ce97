//! The package as a user has it: a game of a few lines, in a project that has nothing but the package, is
//! exported, as players get it and for debugging. The exported program runs as server and as client, in an
//! empty directory and an empty environment, and both have to end by themselves once they have talked.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::engine::Engine;
use crate::output::Counts;
use crate::package::Kind;
use crate::process::{self, Running, TICK};
use crate::{package, stage, workspace};

/// How long an export may take, and an exchange.
const LIMIT: Duration = Duration::from_secs(120);

/// The game's files in the repository, and what of the test's certificates is with them: those of a
/// server whose chain has an intermediate, and the root.
const GAME: &str = "godot_project/tests/exported/";
const CERTIFICATES: [(&str, &str); 3] =
    [("chained.key", "server.key"), ("chained.crt", "server.crt"), ("ca.crt", "ca.crt")];

/// For whom a game is exported, and what runs it.
pub(crate) struct Player {
    /// As the engine calls them.
    pub(crate) platform: &'static str,
    pub(crate) architecture: &'static str,
    /// An export template for each kind that is tried. Without a path, the engine has its own.
    pub(crate) templates: Vec<(Kind, PathBuf)>,
    /// What runs the exported program, if it does not run by itself.
    pub(crate) emulator: Vec<OsString>,
}

/// Exports the game with the package in `archive`, and plays it: one test for each kind.
pub(crate) fn check(engine: &Engine, archive: &Path) -> Result<Counts> {
    let templates = Player::templates(engine.templates().as_deref());
    let player = Player { platform: "Linux", architecture: "x86_64", templates, emulator: vec![] };
    check_on(&player, engine, archive)
}

/// The same for another player than this machine.
pub(crate) fn check_on(player: &Player, engine: &Engine, archive: &Path) -> Result<Counts> {
    let work = workspace::temporary("exported-game")?;
    let project = work.path().join("project");
    make_project(&project, player, archive)?;
    import(engine, &project)?;

    let mut counts = Counts::default();
    for (kind, _) in &player.templates {
        let outcome = player
            .export(engine, &project, &work.path().join(kind.name()), *kind)
            .and_then(|program| {
                player.play(&program, &work.path().join("played").join(kind.name()), *kind)
            });
        if let Err(error) = &outcome {
            println!("   The game that was exported for {} failed: {error:#}", kind.name());
        }
        counts += Counts::check(outcome.is_ok());
    }
    Ok(counts)
}

fn make_project(project: &Path, player: &Player, archive: &Path) -> Result<()> {
    package::unpack(archive, project)?;
    let template = |kind: Kind| {
        let found = player.templates.iter().find(|(of, _)| *of == kind);
        found.map(|(_, program)| program.display().to_string()).unwrap_or_default()
    };
    for (name, bytes) in workspace::read(GAME)? {
        let text = String::from_utf8(bytes)?
            .replace("{architecture}", player.architecture)
            .replace("{platform}", player.platform)
            .replace("{debug}", &template(Kind::Debug))
            .replace("{release}", &template(Kind::Release));
        // A project.godot within another project would be one of its own.
        let name = name.display().to_string().replace(".txt", "");
        stage::write(&project.join(name), text.as_bytes())?;
    }
    let pki = tempfile::tempdir()?;
    test_pki::write_all(pki.path()).context("the certificates cannot be written")?;
    for (from, to) in CERTIFICATES {
        stage::write(&project.join("certs").join(to), &fs::read(pki.path().join(from))?)?;
    }
    Ok(())
}

/// Has the engine look at the project once, as a developer's editor has done long before an export.
///
/// Godot 4.6 imports everything and then crashes as it ends, where there is an extension that it has not
/// seen yet (godot#111048). What the export finds afterwards is what counts.
fn import(engine: &Engine, project: &Path) -> Result<()> {
    let mut command = engine.headless("export")?;
    command.arg("--path").arg(project).arg("--import");
    let finished = process::run(&mut command, "Importing the project", Some(LIMIT))?;
    let list = project.join(".godot/extension_list.cfg");
    let is_well = finished.status.is_some() && list.is_file();
    ensure!(is_well, "the import did not end, or not find the addon:\n{}", finished.text());
    Ok(())
}

impl Player {
    /// Debian's export templates in a folder, or the engine's own.
    pub(crate) fn templates(folder: Option<&Path>) -> Vec<(Kind, PathBuf)> {
        let file = |kind: Kind| folder.map(|it| it.join(format!("godot-template-{}", kind.name())));
        Kind::ALL.map(|kind| (kind, file(kind).unwrap_or_default())).into()
    }

    fn export(&self, engine: &Engine, project: &Path, to: &Path, kind: Kind) -> Result<PathBuf> {
        fs::create_dir_all(to)?;
        let program = to.join("game").with_extension(match self.platform {
            "Linux" => self.architecture,
            _ => "exe",
        });
        let mut command = engine.headless("export")?;
        command.arg("--path").arg(project);
        command.args([&format!("--export-{}", kind.name()), self.platform]).arg(&program);
        let (said, complaints) = Started::new(&mut command, to)?.end().context("the export")?;
        ensure!(complaints.is_empty() && program.is_file(), "the export said:\n{said}{complaints}");
        Ok(program)
    }

    /// Has the exported program talk to itself.
    fn play(&self, program: &Path, folder: &Path, kind: Kind) -> Result<()> {
        // One that nobody has right now.
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        // What the client would log its keys into.
        let keys = folder.join("keys.log");
        let start = |side: &str| -> Result<Started> {
            let directory = folder.join(side);
            fs::create_dir_all(&directory)?;
            let mut command = process::by(&self.emulator, program);
            command.env_clear().current_dir(&directory);
            command.args(["--headless", "--", side, &port]).arg(&keys);
            Started::new(&mut command, &directory)
        };
        let mut server = start("server")?;
        server.wait_for(|said| said.lines().any(|line| line == "Listening: OK"))?;
        let (client, client_complaints) = start("client")?.end().context("the client")?;
        // It has to notice that its client has gone.
        let (server, server_complaints) = server.end().context("the server")?;

        let expect = |said: &str, line: &str| -> Result<()> {
            ensure!(said.lines().any(|it| it == line), "nobody said \"{line}\", but:\n{said}");
            Ok(())
        };
        expect(&server, "Received: Hello from the client")?;
        expect(&client, "Received: Hello from the server")?;
        ensure!(server_complaints.is_empty(), "the server complained:\n{server_complaints}");
        match kind {
            // Whoever has a release cannot have it write its keys down, and is told why.
            Kind::Release => {
                expect(&client, "No key log")?;
                ensure!(!keys.exists(), "a release has written its keys");
                let says_why = client_complaints.contains("key_log_path");
                ensure!(says_why, "nobody said why:\n{client}{client_complaints}");
            }
            Kind::Debug => {
                ensure!(keys.exists(), "there is no key log");
                ensure!(
                    client_complaints.is_empty(),
                    "the client complained:\n{client_complaints}"
                );
            }
        }
        Ok(())
    }
}

/// A program whose error output is kept apart.
struct Started(Running, PathBuf);

impl Started {
    fn new(command: &mut Command, folder: &Path) -> Result<Self> {
        let errors = folder.join("errors");
        Ok(Self(Running::start(command, Some(File::create(&errors)?))?, errors))
    }

    /// Waits until it has printed something, or has ended.
    fn wait_for(&mut self, what: impl Fn(&str) -> bool) -> Result<()> {
        let started = Instant::now();
        while self.0.ended()?.is_none() && !what(&self.0.printed()?) {
            ensure!(started.elapsed() < LIMIT, "took too long; it said:\n{}", self.0.printed()?);
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Waits until it has ended well; returns what it has printed, and its complaints, but for what Debian's
    /// templates say first on a machine that has no fonts set up.
    fn end(mut self) -> Result<(String, String)> {
        const NO_FONTS: &str = "Fontconfig error: Cannot load default config file";
        self.wait_for(|_| false)?;
        let (said, complaints) = (self.0.printed()?, fs::read_to_string(&self.1)?);
        let is_good = self.0.ended()?.is_some_and(|status| status.success());
        ensure!(is_good, "failed; it said:\n{said}{complaints}");
        let complaints =
            complaints.split_inclusive('\n').filter(|line| !line.starts_with(NO_FONTS));
        Ok((said, complaints.collect()))
    }
}
