//! What is in `corpus/`, once more: what the fuzzers start from, and what they have found.

use std::fs;
use std::path::{Path, PathBuf};

fn replay(name: &str) {
    let (_, target) = fuzz::TARGETS.iter().find(|it| it.0 == name).expect("a target");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = fs::read_dir(&dir).expect("there is a corpus");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("it is listed").path()).collect();
    assert!(!files.is_empty(), "nothing in {}", dir.display());
    files.sort();
    for file in files {
        // Seen when it fails: the last one was it.
        println!("{}", file.display());
        target(&fs::read(&file).expect("it can be read"));
    }
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn endpoint() {
    replay("endpoint");
}

#[test]
fn listener() {
    replay("listener");
}

#[test]
fn established() {
    replay("established");
}

#[test]
fn handshake() {
    replay("handshake");
}
